//! Addresses, phone numbers and e-mail addresses: which remote fields each of them takes.

use std::borrow::Cow;

use unicrm_core::{Address, AddressType, EmailAddress, PhoneNumber, RemoteField};

use super::decode::Mapper;
use super::wire::{Cell, Wrong};

/// The type of the only e-mail address that Contact and Lead have.
pub(super) const EMAIL_TYPE: &str = "Work";

/// An address of an sObject: its type and its remote fields.
#[derive(Debug)]
pub(super) struct AddressPlace {
    /// The type that it is read as; empty for none.
    pub(super) ty: &'static str,
    pub(super) street: &'static str,
    pub(super) city: &'static str,
    pub(super) state: &'static str,
    pub(super) postal_code: &'static str,
    pub(super) country: &'static str,
    /// Only in orgs with state and country picklists.
    pub(super) state_code: &'static str,
    pub(super) country_code: &'static str,
}

/// The place of this type whose remote fields have this prefix.
macro_rules! address_place {
    ($ty:literal, $prefix:literal) => {
        $crate::objects::parts::AddressPlace {
            ty: $ty,
            street: concat!($prefix, "Street"),
            city: concat!($prefix, "City"),
            state: concat!($prefix, "State"),
            postal_code: concat!($prefix, "PostalCode"),
            country: concat!($prefix, "Country"),
            state_code: concat!($prefix, "StateCode"),
            country_code: concat!($prefix, "CountryCode"),
        }
    };
}
pub(super) use address_place;

/// A phone number of an sObject: its type and its remote field.
#[derive(Debug)]
pub(super) struct PhonePlace {
    pub(super) ty: &'static str,
    pub(super) field: &'static str,
}

/// The cells of one address.
pub(super) struct AddressCells<'a> {
    pub(super) street: Cell<'a>,
    pub(super) city: Cell<'a>,
    pub(super) state: Cell<'a>,
    pub(super) postal_code: Cell<'a>,
    pub(super) country: Cell<'a>,
    pub(super) state_code: Cell<'a>,
    pub(super) country_code: Cell<'a>,
}

/// The cells of the address with this prefix.
macro_rules! address_cells {
    ($row:expr, $street:ident, $city:ident, $state:ident, $postal_code:ident, $country:ident, $state_code:ident,
     $country_code:ident $(,)?) => {
        $crate::objects::parts::AddressCells {
            street: $row.$street,
            city: $row.$city,
            state: $row.$state,
            postal_code: $row.$postal_code,
            country: $row.$country,
            state_code: $row.$state_code,
            country_code: $row.$country_code,
        }
    };
}
pub(super) use address_cells;

impl AddressCells<'_> {
    /// The address of a place; none when nothing of it is there. The country's text, where its code takes the unified
    /// field, stays among the remote fields.
    pub(super) fn read(
        &self,
        place: &'static AddressPlace,
        map: &Mapper<'_>,
        rest: &mut Vec<RemoteField>,
    ) -> Result<Option<Address>, Wrong> {
        let mut address = Address::default();
        if let Some(street) = self.street.text()? {
            (address.street_1, address.street_2) = split_street(&street);
        }
        address.city = self.city.string()?;
        address.state = match self.state.string()? {
            None => self.state_code.string()?,
            text => text,
        };
        address.postal_code = self.postal_code.string()?;
        address.country = match self.country_code.string()? {
            None => self.country.string()?,
            code => {
                self.country.text()?;
                map.keep(self.country, place.country, rest);
                code
            }
        };
        if address == Address::default() {
            return Ok(None);
        }
        address.address_type = match place.ty {
            "" => None,
            ty => Some(AddressType::from(ty)),
        };
        Ok(Some(address))
    }
}

/// The addresses that are there. Most records have one, and a list that grows would take room for four.
pub(super) fn listed<const N: usize>(addresses: [Option<Address>; N]) -> Vec<Address> {
    let mut list = Vec::with_capacity(addresses.iter().flatten().count());
    list.extend(addresses.into_iter().flatten());
    list
}

/// The first line, and the rest as it came. Line breaks become LF.
pub(super) fn split_street(street: &str) -> (Option<String>, Option<String>) {
    let street = line_feeds(street);
    let (first, rest) = street.split_once('\n').unwrap_or((&street, ""));
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (some(first), some(rest))
}

/// The street that an address stands for, as Salesforce keeps it.
pub(super) fn join_street(address: &Address) -> Option<String> {
    let first = address.street_1.as_deref().unwrap_or_default();
    let street = match &address.street_2 {
        Some(rest) => Cow::Owned(format!("{first}\n{rest}")),
        None => Cow::Borrowed(first),
    };
    let street = line_feeds(&street);
    let street = street.trim();
    (!street.is_empty()).then(|| street.to_owned())
}

/// CRLF and CR become LF.
pub(super) fn line_feeds(text: &str) -> Cow<'_, str> {
    match text.contains('\r') {
        false => Cow::Borrowed(text),
        true => Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")),
    }
}

/// The phone numbers of these places that hold one. `cells` are in the order of `places`.
pub(super) fn phones<const N: usize>(
    places: &'static [PhonePlace; N],
    cells: [Cell<'_>; N],
) -> Result<Vec<PhoneNumber>, Wrong> {
    let mut numbers = Vec::with_capacity(cells.iter().filter(|cell| !cell.is_none()).count());
    for (place, cell) in places.iter().zip(cells) {
        if let Some(number) = cell.string()? {
            numbers.push(PhoneNumber::new(number, place.ty));
        }
    }
    Ok(numbers)
}

/// The e-mail address, as a list.
pub(super) fn emails(cell: Cell<'_>) -> Result<Vec<EmailAddress>, Wrong> {
    Ok(cell.string()?.map(|address| EmailAddress::new(address, EMAIL_TYPE)).into_iter().collect())
}
