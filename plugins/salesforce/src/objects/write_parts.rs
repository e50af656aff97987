//! Lists of addresses, phone numbers and e-mail addresses, back to the remote fields that hold them.
//!
//! A patch that names a list names all of it: a place that the list leaves out is cleared.

use unicrm_core::{Address, EmailAddress, Patch, PhoneNumber};

use super::parts::{AddressPlace, EMAIL_TYPE, PhonePlace, join_street};
use super::write::{Writer, kept};

/// Where an address goes whose type has no place of its own: from the type in upper case (empty for none) to the number of
/// the place. `*` stands for any type.
pub(super) type Fallback = (&'static str, usize);

/// An address as Salesforce keeps it.
#[derive(Default)]
struct Parts {
    street: Option<String>,
    city: Option<String>,
    state: Option<String>,
    postal_code: Option<String>,
    country: Option<String>,
}

impl From<&Address> for Parts {
    fn from(address: &Address) -> Self {
        let kept = |text: &Option<String>| text.as_deref().and_then(kept).map(str::to_owned);
        Self {
            street: join_street(address),
            city: kept(&address.city),
            state: kept(&address.state),
            postal_code: kept(&address.postal_code),
            country: kept(&address.country),
        }
    }
}

impl Writer<'_> {
    pub(super) fn addresses(
        &mut self,
        places: &'static [AddressPlace],
        fallbacks: &[Fallback],
        patch: &Patch<Vec<Address>>,
        before: Option<&[Address]>,
    ) {
        let Some(asked) = self.asked(patch) else { return };
        let asked: &[Address] = asked.map_or(&[], Vec::as_slice);
        if before == Some(asked) {
            return;
        }
        let own_place = |address: &Address| {
            let ty = address.address_type.as_ref().map_or("", |ty| ty.as_str());
            places.iter().position(|place| place.ty.eq_ignore_ascii_case(ty))
        };
        let mut taken: Vec<Option<Parts>> = places.iter().map(|_| None).collect();
        for (at, address) in asked.iter().enumerate() {
            let pointer = format!("/addresses/{at}");
            self.our_times(&pointer, address.created_at.is_some(), address.modified_at.is_some());
            if let Some(place) = own_place(address) {
                match taken.get_mut(place) {
                    Some(free @ None) => *free = Some(Parts::from(address)),
                    _ => {
                        self.refuse(pointer, "there is another address of this type, and place for one only")
                    }
                }
            }
        }
        // Those that need a place of another type choose when the others have theirs.
        for (at, address) in asked.iter().enumerate().filter(|(_, address)| own_place(address).is_none()) {
            let pointer = format!("/addresses/{at}");
            let ty = address.address_type.as_ref().map_or("", |ty| ty.as_str());
            let choice = fallbacks.iter().find(|(from, _)| *from == "*" || from.eq_ignore_ascii_case(ty));
            let Some((_, place)) = choice else {
                let known: Vec<_> = places.iter().map(|place| place.ty).collect();
                self.refuse(
                    format!("{pointer}/address_type"),
                    format!("there is place for {}", known.join(" and ")),
                );
                continue;
            };
            match taken.get_mut(*place) {
                Some(free @ None) => *free = Some(Parts::from(address)),
                _ => {
                    self.refuse(pointer, "all places that could hold this address are taken");
                    continue;
                }
            }
            let given = if ty.is_empty() { "an address without a type" } else { ty };
            match places.get(*place).map_or("", |place| place.ty) {
                "" => self.place_taken(&pointer, given, "the only address, which has no type"),
                place => self.place_taken(&pointer, given, place),
            }
        }
        for (place, parts) in places.iter().zip(taken) {
            let held = before.map(|before| {
                let held = before.iter().find(|address| {
                    own_place(address)
                        .is_some_and(|at| places.get(at).is_some_and(|own| std::ptr::eq(own, place)))
                });
                held.map(Parts::from).unwrap_or_default()
            });
            self.address(place, &parts.unwrap_or_default(), held.as_ref());
        }
    }

    fn address(&mut self, place: &'static AddressPlace, parts: &Parts, before: Option<&Parts>) {
        self.part(place.street, &parts.street, before.map(|before| &before.street));
        self.part(place.city, &parts.city, before.map(|before| &before.city));
        let state = before.map(|before| &before.state);
        if self.has_code(place.state_code) && parts.state.as_deref().is_some_and(is_state_code) {
            self.part(place.state_code, &parts.state, state);
        } else {
            self.part(place.state, &parts.state, state);
        }
        self.part(place.postal_code, &parts.postal_code, before.map(|before| &before.postal_code));
        let country = before.map(|before| &before.country);
        if !self.has_code(place.country_code) {
            self.part(place.country, &parts.country, country);
        } else if parts.country.as_deref().is_some_and(is_country_code) {
            self.part(place.country_code, &parts.country, country);
        } else {
            // The code of a country's name is Salesforce's to find; a code that is named as null would win over the name.
            self.part(place.country, &parts.country, country);
            let cleared = parts.country.is_none() && self.is_update();
            if cleared && country.is_none_or(|country| *country != parts.country) {
                self.put_text("/addresses", place.country_code, None);
            }
        }
    }

    fn part(&mut self, field: &'static str, text: &Option<String>, before: Option<&Option<String>>) {
        let unchanged = before == Some(text) || (text.is_none() && !self.is_update());
        if !unchanged {
            self.put_text("/addresses", field, text.as_deref());
        }
    }

    fn has_code(&self, field: &str) -> bool {
        self.cx.has_field(self.out.sobject, field)
    }

    pub(super) fn phones(
        &mut self,
        places: &'static [PhonePlace],
        patch: &Patch<Vec<PhoneNumber>>,
        before: Option<&[PhoneNumber]>,
    ) {
        let Some(asked) = self.asked(patch) else { return };
        let asked: &[PhoneNumber] = asked.map_or(&[], Vec::as_slice);
        if before == Some(asked) {
            return;
        }
        let place_of = |number: &PhoneNumber| {
            let ty = number.phone_number_type.as_deref().unwrap_or_default();
            places.iter().position(|place| place.ty.eq_ignore_ascii_case(ty))
        };
        let mut taken: Vec<Option<&str>> = places.iter().map(|_| None).collect();
        for (at, number) in asked.iter().enumerate() {
            let pointer = format!("/phone_numbers/{at}");
            self.our_times(&pointer, number.created_at.is_some(), number.modified_at.is_some());
            let Some(text) = number.phone_number.as_deref().and_then(kept) else { continue };
            let Some(place) = place_of(number) else {
                let known: Vec<_> = places.iter().map(|place| place.ty).collect();
                self.refuse(
                    format!("{pointer}/phone_number_type"),
                    format!("there is place for {}", known.join(", ")),
                );
                continue;
            };
            match taken.get_mut(place) {
                Some(free @ None) => *free = Some(text),
                _ => self.refuse(pointer, "there is another number of this type, and place for one only"),
            }
        }
        for (at, (place, text)) in places.iter().zip(taken).enumerate() {
            let held = before.map(|before| {
                let held = before.iter().find(|number| place_of(number) == Some(at));
                held.and_then(|number| number.phone_number.as_deref().and_then(kept))
            });
            if held != Some(text) && (text.is_some() || self.is_update()) {
                self.put_text("/phone_numbers", place.field, text);
            }
        }
    }

    pub(super) fn emails(
        &mut self,
        field: &'static str,
        patch: &Patch<Vec<EmailAddress>>,
        before: Option<&[EmailAddress]>,
    ) {
        let Some(asked) = self.asked(patch) else { return };
        let asked: &[EmailAddress] = asked.map_or(&[], Vec::as_slice);
        if before == Some(asked) {
            return;
        }
        let mut first = None;
        for (at, email) in asked.iter().enumerate() {
            let pointer = format!("/email_addresses/{at}");
            self.our_times(&pointer, email.created_at.is_some(), email.modified_at.is_some());
            let Some(text) = email.email_address.as_deref().and_then(kept) else { continue };
            if first.is_some() {
                self.refuse(pointer, "there is place for one e-mail address only");
                continue;
            }
            first = Some(text);
            match email.email_address_type.as_deref() {
                Some(ty) if !ty.eq_ignore_ascii_case(EMAIL_TYPE) => {
                    self.place_taken(&pointer, ty, EMAIL_TYPE)
                }
                _ => {}
            }
        }
        let held = before
            .map(|before| before.first().and_then(|email| email.email_address.as_deref().and_then(kept)));
        if held != Some(first) && (first.is_some() || self.is_update()) {
            let value = first.map(str::to_owned);
            self.put_text("/email_addresses", field, value.as_deref());
        }
    }

    /// Parts have times of our own copy, which nobody else keeps.
    fn our_times(&mut self, pointer: &str, created: bool, modified: bool) {
        for (given, name) in [(created, "created_at"), (modified, "modified_at")] {
            if given {
                self.warn(
                    format!("{pointer}/{name}"),
                    "read_only",
                    "this is the time of our copy: it is not written",
                );
            }
        }
    }
}

/// Whether this is the code of a state, as picklists of states have them, and not its name.
fn is_state_code(text: &str) -> bool {
    (1..=3).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Whether this is an ISO code of a country and not its name.
fn is_country_code(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}
