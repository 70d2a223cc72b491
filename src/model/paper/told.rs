//! Values of a configuration, and what is wrong with them.

use serde_json::{Map, Value};

/// The parameters of a part, and what they are called in errors.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub params: Option<&'a Map<String, Value>>,
    pub whose: &'a str,
}

impl<'a> Told<'a> {
    pub fn value(self, key: &str) -> Option<&'a Value> {
        self.params?.get(key).filter(|value| !value.is_null())
    }

    pub fn text(self, key: &str) -> Option<&'a str> {
        self.value(key)?.as_str()
    }

    fn wrong(self, key: &str, value: &Value, wanted: &str) -> String {
        let value = value.to_string();
        let shown: String = value.chars().take(40).collect();
        format!(
            "{} with {key} = {shown} is not supported: it must be {wanted}",
            self.whose
        )
    }

    pub fn flag(self, key: &str) -> Result<Option<bool>, String> {
        let read = |value: &Value| {
            value
                .as_bool()
                .ok_or_else(|| self.wrong(key, value, "True or False"))
        };
        self.value(key).map(read).transpose()
    }

    pub fn number(self, key: &str) -> Result<Option<f64>, String> {
        let read = |value: &Value| {
            value
                .as_f64()
                .ok_or_else(|| self.wrong(key, value, "a number"))
        };
        self.value(key).map(read).transpose()
    }

    pub fn size(self, key: &str) -> Result<Option<usize>, String> {
        let read = |value: &Value| size(value).ok_or_else(|| self.wrong(key, value, "a size"));
        self.value(key).map(read).transpose()
    }

    pub fn need(self, key: &str) -> Result<usize, String> {
        self.size(key)?
            .ok_or_else(|| format!("{} has no {key}", self.whose))
    }

    pub fn sizes(self, key: &str) -> Result<Option<Vec<usize>>, String> {
        let read = |value: &Value| {
            let items = value
                .as_array()
                .and_then(|items| items.iter().map(size).collect());
            items.ok_or_else(|| self.wrong(key, value, "a list of sizes"))
        };
        self.value(key).map(read).transpose()
    }
}

fn size(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?)
        .ok()
        .filter(|size| *size <= 1 << 32)
}

/// The class and the parameters of a part.
pub(super) fn part<'a>(value: &'a Value, whose: &'a str) -> Result<(&'a str, Told<'a>), String> {
    let class = value.get("target").and_then(Value::as_str);
    let class = class.ok_or_else(|| format!("{whose} has no target"))?;
    let params = value.get("params").and_then(Value::as_object);
    Ok((class, Told { params, whose }))
}

/// The name of a class without its module.
pub(super) fn last(class: &str) -> &str {
    class.rsplit('.').next().unwrap_or(class)
}
