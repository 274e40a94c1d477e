//! `--set KEY=VALUE`: a scenario's text with one value changed; comments stay.
//!
//! ```text
//! peer.choker=random    a group's key          link.rtt=20ms     a section's
//! seeds=10              a value of the top     sweep.N=[1,2]     a variable's values
//! ```

use super::point::SECTIONS;
use super::tree::unknown;
use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

/// The text with `path` set to `value`, which is TOML (`10`, `[1, 2]`, `true`) or else a text.
///
/// # Errors
/// The path names nothing that there is.
pub fn changed(text: &str, path: &str, value: &str) -> Result<String, String> {
    let mut document = text.parse::<DocumentMut>().map_err(|why| why.message().to_owned())?;
    let parts: Vec<&str> = path.split('.').collect();
    let Some((&key, places)) = parts.split_last().filter(|_| parts.iter().all(|p| !p.is_empty()))
    else {
        return Err("expected KEY=VALUE, as in peer.choker=random".into());
    };
    let value = understood(value);
    match places {
        [] => put(document.as_table_mut(), key, value),
        [first, inner @ ..] => {
            let mut table = match group(&mut document, first)? {
                Some(group) => group,
                // Borrowed anew: the search for a group has not found any.
                None => section(document.as_table_mut(), first)?,
            };
            for place in inner {
                table = section(table, place)?;
            }
            put(table, key, value);
        }
    }
    Ok(document.to_string())
}

fn understood(text: &str) -> Value {
    let document = format!("value = {text}").parse::<DocumentMut>().ok();
    let alone = document.filter(|document| document.as_table().len() == 1);
    let value = alone.and_then(|mut document| document.remove("value")?.into_value().ok());
    value.map_or_else(|| Value::from(text), |value| value.decorated(" ", ""))
}

fn put(table: &mut dyn TableLike, key: &str, mut value: Value) {
    if let Some(old) = table.get_mut(key).and_then(Item::as_value_mut) {
        *value.decor_mut() = old.decor().clone();
        *old = value;
    } else {
        table.insert(key, Item::Value(value));
    }
}

/// The group that is called so; `None` if a section of the file is meant.
fn group<'a>(
    document: &'a mut DocumentMut,
    name: &str,
) -> Result<Option<&'a mut dyn TableLike>, String> {
    if SECTIONS.contains(&name) {
        return Ok(None);
    }
    let title = |table: &dyn TableLike| table.get("name").and_then(Item::as_str).map(str::to_owned);
    let names: Vec<String> = match document.get("group") {
        Some(Item::ArrayOfTables(all)) => all.iter().filter_map(|table| title(table)).collect(),
        Some(Item::Value(Value::Array(all))) => {
            let tables = all.iter().filter_map(Value::as_inline_table);
            tables.filter_map(|table| title(table)).collect()
        }
        _ => Vec::new(),
    };
    let Some(place) = names.iter().position(|known| known == name) else {
        let sections = ["content", "link", "sweep", "hierarchy"];
        let known: Vec<&str> = names.iter().map(String::as_str).chain(sections).collect();
        return Err(unknown("group", name, "", &known));
    };
    let found = match document.get_mut("group") {
        Some(Item::ArrayOfTables(all)) => all.get_mut(place).map(|t| t as &mut dyn TableLike),
        Some(Item::Value(Value::Array(all))) => {
            let inline = all.get_mut(place).and_then(Value::as_inline_table_mut);
            inline.map(|table| table as &mut dyn TableLike)
        }
        _ => None,
    };
    Ok(found)
}

/// A table within a table, made if there is none.
fn section<'a>(table: &'a mut dyn TableLike, name: &str) -> Result<&'a mut dyn TableLike, String> {
    if !table.contains_key(name) {
        // In a table of one line it is written as such, too.
        table.insert(name, Item::Table(Table::new()));
    }
    let found = table.get_mut(name).and_then(Item::as_table_like_mut);
    found.ok_or_else(|| format!("{name} is no table"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "seeds = [1] # few\nlink = { up = 5 }\n[[group]]\nname = \"peer\"\n";

    #[test]
    fn a_value_is_changed_where_it_stands_and_comments_stay() {
        let check = |path: &str, value: &str, old: &str, new: &str| {
            assert_eq!(changed(TEXT, path, value), Ok(TEXT.replace(old, new)), "{path}={value}");
        };
        check("seeds", "10", "[1]", "10");
        check("link.up", "20kB/s", "= 5", "= \"20kB/s\"");
        let named = "name = \"peer\"\n";
        check("peer.choker", "random", named, &format!("{named}choker = \"random\"\n"));
        check("peer.lies", "true", named, &format!("{named}lies = true\n"));
        let with = changed(TEXT, "sweep.N", "[1, 2]").expect("a new table");
        assert!(with.contains("[sweep]\nN = [1, 2]"), "{with}");
    }

    #[test]
    fn a_path_that_names_nothing_is_refused() {
        let check = |path: &str, expected: &str| {
            assert_eq!(changed(TEXT, path, "1"), Err(expected.to_owned()), "{path}");
        };
        check("peers.up", "unknown group peers: did you mean peer?");
        check("", "expected KEY=VALUE, as in peer.choker=random");
        check("peer.", "expected KEY=VALUE, as in peer.choker=random");
        check("seeds.x", "seeds is no table");
    }

    #[test]
    fn a_value_cannot_bring_other_keys_with_it() {
        let text = changed("a = 1\n", "name", "1\nb = 2").expect("a text");
        let document = text.parse::<DocumentMut>().expect("it is TOML");
        assert_eq!(document.get("name").and_then(Item::as_str), Some("1\nb = 2"));
        assert_eq!(document.get("b").map(|_| ()), None);
    }

    proptest::proptest! {
        #[test]
        fn no_change_panics(path in "[a-z.]{0,12}", value in "\\PC{0,20}") {
            let _ = changed(TEXT, &path, &value);
        }
    }
}
