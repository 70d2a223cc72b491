//! JSON whose values are changed, not its signs.

use serde_json::{Map, Number, Value};

use super::mutate::damage;
use super::random::Random;

/// One of the corpus with other values; sometimes with damaged signs too.
pub fn values(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let chosen = random.pick(corpus);
    let text = chosen.strip_prefix("\u{feff}".as_bytes()).unwrap_or(chosen);
    let mut input = match serde_json::from_slice::<Value>(text) {
        Ok(mut value) => {
            for _ in 0..=random.below(3) {
                change(random, &mut value);
            }
            value.to_string().into_bytes()
        }
        Err(_) => chosen.clone(),
    };
    if random.one_in(5) {
        damage(random, &mut input, corpus);
    }
    if random.one_in(40) {
        input.splice(0..0, "\u{feff}".bytes());
    }
    input
}

/// Changes one value somewhere inside.
fn change(random: &mut Random, value: &mut Value) {
    // Deep ones are as likely as shallow ones.
    let count = places(value);
    let mut place = random.below(count);
    if let Some(found) = place_in(value, &mut place) {
        replace(random, found);
    }
}

fn inner(value: &mut Value) -> Vec<&mut Value> {
    match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        _ => Vec::new(),
    }
}

fn places(value: &Value) -> usize {
    let inside = match value {
        Value::Array(items) => items.iter().map(places).sum(),
        Value::Object(fields) => fields.values().map(places).sum(),
        _ => 0,
    };
    inside + 1
}

fn place_in<'a>(value: &'a mut Value, place: &mut usize) -> Option<&'a mut Value> {
    if *place == 0 {
        return Some(value);
    }
    *place -= 1;
    for inner in inner(value) {
        let count = places(inner);
        if *place < count {
            return place_in(inner, place);
        }
        *place -= count;
    }
    None
}

fn replace(random: &mut Random, value: &mut Value) {
    match value {
        Value::Array(items) if random.one_in(2) => match random.below(4) {
            0 => items.clear(),
            1 => drop(items.pop()),
            2 => {
                let longer = items
                    .iter()
                    .cycle()
                    .take(items.len() * (1 + random.below(40)));
                *items = longer.cloned().collect();
            }
            _ => {
                let at = random.below(items.len() + 1);
                items.insert(at, odd(random));
            }
        },
        Value::Object(fields) if random.one_in(2) => {
            let names: Vec<String> = fields.keys().cloned().collect();
            let name = names.get(random.below(names.len())).cloned();
            match (name, random.below(3)) {
                (Some(name), 0) => drop(fields.remove(&name)),
                (Some(name), 1) => {
                    let value = fields.remove(&name).unwrap_or_default();
                    fields.insert(format!("{name}{name}"), value);
                }
                _ => {
                    let name = random.pick(&["", "__metadata__", "type", "0", "水"]);
                    fields.insert((*name).to_owned(), odd(random));
                }
            }
        }
        Value::Number(number) if random.one_in(2) => {
            let near = [-1.0, 1.0, 0.5, 2.0, -2.0, 1e3, 1e9];
            let old = number.as_f64().unwrap_or(1.0);
            let new = if random.one_in(2) {
                old + random.pick(&near)
            } else {
                old * random.pick(&near)
            };
            *value = if new.fract() == 0.0 && new.abs() < 9e15 {
                Value::from(new as i64)
            } else {
                Number::from_f64(new).map_or(Value::Null, Value::Number)
            };
        }
        _ => *value = odd(random),
    }
}

/// A value that nobody expects.
fn odd(random: &mut Random) -> Value {
    match random.below(20) {
        0 => Value::Null,
        1 => true.into(),
        2 => false.into(),
        3 => 0.into(),
        4 => (-1).into(),
        5 => 1.into(),
        6 => 3.into(),
        7 => 65.into(),
        8 => 65_537.into(),
        9 => i32::MAX.into(),
        10 => u32::MAX.into(),
        11 => i64::MAX.into(),
        12 => u64::MAX.into(),
        13 => 1e308.into(),
        14 => 1e-320.into(),
        15 => "".into(),
        16 => "x".repeat(1 + random.below(5000)).into(),
        17 => Value::Array(vec![Value::Array(Vec::new()); random.below(100)]),
        18 => (0..random.below(120)).fold(Value::Null, |inside, _| Value::Array(vec![inside])),
        _ => Value::Object(Map::new()),
    }
}
