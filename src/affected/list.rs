//! The plain JSON list, for every tool that is not Atmos: `component` and whatever else is known of it.

use std::{collections::HashMap, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor},
};

use super::{
    Item, Need, Own, Wish,
    value::{Called, Inputs, Line, Path, Text},
};
use crate::{
    config::{self, nearest},
    finding::quoted,
    json,
    ordered::Ordered,
};

/// The keys of an item.
pub const KEYS: [&str; 7] = ["component", "stack", "environment", "workflow", "inputs", "needs", "path"];

/// Keys only a plain list has.
const PLAIN: [&str; 4] = ["workflow", "inputs", "needs", "path"];

/// Keys only Atmos writes. `environment` is none of them: it is a context field there.
const ATMOS: [&str; 16] = [
    "component_type",
    "component_path",
    "stack_slug",
    "affected",
    "affected_all",
    "settings",
    "dependents",
    "dependencies",
    "included_in_dependents",
    "deleted",
    "deletion_type",
    "namespace",
    "tenant",
    "stage",
    "spacelift_stack",
    "atlantis_project",
];

/// Whether an array is a plain list, by what its items carry.
pub(super) fn is_plain(text: &str) -> Result<bool, String> {
    let mut signs = Signs::default();
    json::read(text, Each { take: &mut signs })?;
    match (signs.atmos, signs.plain) {
        (Some((atmos, key)), Some((plain, other))) => Err(format!(
            "at `[{atmos}].{key}`: is what Atmos writes, and `[{plain}].{other}` is of a plain list: give each its own use \
             of the action, with a `comment-key`"
        )),
        (atmos, _) => Ok(atmos.is_none()),
    }
}

/// Reads the list.
pub(super) fn items(text: &str) -> Result<Vec<Item>, String> {
    let mut rows = Rows::default();
    json::read(text, Each { take: &mut rows })?;
    resolve(&mut rows.items, &rows.needs)?;
    Ok(rows.items)
}

/// What takes the elements of an array, one after the other.
trait Take {
    /// Takes an object's pairs.
    fn object<'de, A: MapAccess<'de>>(&mut self, map: A) -> Result<(), A::Error>;

    /// Takes anything else.
    fn other<E: Error>(&mut self, found: Unexpected<'_>) -> Result<(), E>;
}

/// The elements of an array.
struct Each<'t, T> {
    take: &'t mut T,
}

impl<'de, T: Take> DeserializeSeed<'de> for Each<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Take> Visitor<'de> for Each<'_, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of objects with `component`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Element { take: self.take })?.is_some() {}
        Ok(())
    }
}

/// One element of an array.
struct Element<'t, T> {
    take: &'t mut T,
}

impl<'de, T: Take> DeserializeSeed<'de> for Element<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Take> Visitor<'de> for Element<'_, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with `component`")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.take.object(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.take.other(Unexpected::Seq)?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.take.other(Unexpected::Other("null"))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.take.other(Unexpected::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.take.other(Unexpected::Signed(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.take.other(Unexpected::Unsigned(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.take.other(Unexpected::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.take.other(Unexpected::Str(value))
    }
}

/// The first keys that tell one kind of list from the other, with the items they stand in.
#[derive(Default)]
struct Signs {
    index: usize,
    atmos: Option<(usize, &'static str)>,
    plain: Option<(usize, &'static str)>,
}

impl Take for Signs {
    fn object<'de, A: MapAccess<'de>>(&mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Text<'de>>()? {
            map.next_value::<IgnoredAny>()?;
            for (keys, sign) in [(&ATMOS[..], &mut self.atmos), (&PLAIN[..], &mut self.plain)] {
                if sign.is_none() {
                    *sign = keys.iter().find(|known| **known == key.0).map(|known| (self.index, *known));
                }
            }
        }
        self.index += 1;
        Ok(())
    }

    fn other<E: Error>(&mut self, _: Unexpected<'_>) -> Result<(), E> {
        self.index += 1;
        Ok(())
    }
}

/// The items as they are read, with the names of what they need.
#[derive(Default)]
struct Rows {
    items: Vec<Item>,
    needs: Vec<Vec<String>>,
}

impl Take for Rows {
    fn object<'de, A: MapAccess<'de>>(&mut self, mut map: A) -> Result<(), A::Error> {
        let mut item = Item::default();
        let mut own = Own::default();
        let mut needs = Vec::new();
        let mut seen: Vec<&str> = Vec::with_capacity(KEYS.len());
        while let Some(Text(given)) = map.next_key()? {
            let Some(key) = KEYS.into_iter().find(|key| *key == given) else {
                let near = nearest(&given, KEYS.into_iter());
                let what = format!("unknown key {}: {near}known are {}", quoted(&given), config::list(KEYS.iter()));
                return Err(A::Error::custom(what));
            };
            if seen.contains(&key) {
                return Err(A::Error::duplicate_field(key));
            }
            seen.push(key);
            match key {
                "component" => item.component = map.next_value::<Called>()?.0,
                "stack" => item.stack = map.next_value::<Line>()?.0,
                "path" => item.path = map.next_value::<Path>()?.0,
                "environment" => own.environment = map.next_value::<Line>()?.0,
                "workflow" => own.workflow = map.next_value::<Line>()?.0,
                "inputs" => own.inputs = map.next_value::<Option<Inputs>>()?.unwrap_or_default().0,
                _ => needs = map.next_value::<Option<Vec<String>>>()?.unwrap_or_default(),
            }
        }
        if !seen.contains(&"component") {
            return Err(A::Error::missing_field("component"));
        }
        item.fields = own.environment.iter().map(|name| ("environment".to_owned(), name.clone())).ordered();
        self.items.push(Item { wish: Wish::Own(own), ..item });
        self.needs.push(needs);
        Ok(())
    }

    fn other<E: Error>(&mut self, found: Unexpected<'_>) -> Result<(), E> {
        Err(E::invalid_type(found, &"an object with `component`"))
    }
}

/// Finds the items that needs name: an exact component first, else `component/stack`.
fn resolve(items: &mut [Item], needs: &[Vec<String>]) -> Result<(), String> {
    let mut by_component: HashMap<String, Vec<usize>> = HashMap::new();
    let mut by_both: HashMap<(String, String), Vec<usize>> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        by_component.entry(item.component.clone()).or_default().push(index);
        if let Some(stack) = &item.stack {
            by_both.entry((item.component.clone(), stack.clone())).or_default().push(index);
        }
    }
    for (index, (item, names)) in items.iter_mut().zip(needs).enumerate() {
        for (place, name) in names.iter().enumerate() {
            let exact = by_component.get(name);
            let split = name
                .rsplit_once('/')
                .and_then(|(component, stack)| by_both.get(&(component.to_owned(), stack.to_owned())));
            let refuse = |what: &str| format!("at `[{index}].needs[{place}]`: {} {what}", quoted(name));
            let need = match (exact, split) {
                (Some(_), Some(_)) => {
                    return Err(refuse(
                        "is a component of the list, and the component before its last `/` in the stack behind it too: \
                         rename one, so that it has one reading",
                    ));
                }
                (Some(found), None) | (None, Some(found)) => Need::items_of(found.clone()),
                (None, None) => {
                    return Err(refuse(
                        "is no component of the list, and no `component/stack` of it: list it too, or take it out of `needs`",
                    ));
                }
            };
            if !item.needs.contains(&need) {
                item.needs.push(need);
            }
        }
    }
    Ok(())
}
