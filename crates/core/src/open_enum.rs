//! Enums that keep the values that they do not know.

/// Defines an enum of known values plus `Other`, which keeps any other text as it came.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$variant_meta:meta])* $variant:ident => $text:literal,)+
        }
    ) => {
        $(#[$meta])*
        ///
        /// Values that are not listed are kept in `Other`, letter for letter, in both directions.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* #[doc = concat!("\n\nJSON: `\"", $text, "\"`.")] $variant,)+
            /// A value that this version does not know, as it came.
            Other(Box<str>),
        }

        impl $name {
            /// The known values, as JSON spells them.
            pub const KNOWN: &'static [&'static str] = &[$($text),+];

            /// The value as JSON spells it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }

            /// The known value that this is in another spelling (`"Shipping"` for `SHIPPING`), else itself: what writes
            /// compare by.
            #[must_use]
            pub fn normalized(&self) -> Self {
                match self {
                    $(Self::Other(text) if text.eq_ignore_ascii_case($text) => Self::$variant,)+
                    other => other.clone(),
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)+
                    other => Self::Other(other.into()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a string such as ")?;
                        f.write_str(&$name::KNOWN.join(", "))
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        Ok($name::from(text))
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }

        impl $crate::field::FieldValue for $name {
            const TYPE: $crate::field::FieldType = $crate::field::FieldType::Enum(Self::KNOWN);

            fn view(&self) -> $crate::field::Value<'_> {
                $crate::field::Value::Text(std::borrow::Cow::Borrowed(self.as_str()))
            }

            fn from_value(value: $crate::field::Value<'_>) -> Result<Self, $crate::field::WrongType> {
                match value {
                    $crate::field::Value::Text(text) => Ok(Self::from(&*text)),
                    _ => Err($crate::field::WrongType { expected: "text" }),
                }
            }
        }
    };
}

pub(crate) use open_enum;
