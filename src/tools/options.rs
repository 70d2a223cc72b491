//! What can be set on a tool, described, so that the window can show it without
//! knowing the tool, and the settings file keep it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::recipe::param::{Number, Param, Shown, Value};

/// A setting that is one of several.
#[derive(Debug)]
pub struct Choice {
    /// Names it in the program.
    pub id: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// What there is to choose from, in the order in which it is shown.
    pub options: &'static [ChoiceOption],
}

/// One of what there is to choose from.
#[derive(Debug)]
pub struct ChoiceOption {
    /// Its name for people.
    pub label: &'static str,
    /// Its icon.
    pub icon: &'static str,
}

/// A choice with the field that holds it, as a place among its options.
pub struct ChoiceParam<T> {
    /// The choice.
    pub choice: &'static Choice,
    /// Reads the field.
    pub get: fn(&T) -> usize,
    /// Writes the field.
    pub set: fn(&mut T, usize),
}

/// The settings of a tool: plain data that describes its numbers.
pub trait Described: Default + Serialize + DeserializeOwned + std::fmt::Debug + 'static {
    /// The numbers that are offered, in the order in which they are shown.
    const PARAMS: &'static [Param<Self>];

    /// The choices that are offered, in the order in which they are shown.
    const CHOICES: &'static [ChoiceParam<Self>] = &[];

    /// Suits a canvas, as far as nobody has chosen otherwise.
    fn suit(&mut self, _size_px: [u32; 2]) {}
}

/// What can be set on a tool. Everything that is [`Described`] can.
pub trait ToolOptions {
    /// The numbers and what they are.
    fn numbers(&self) -> Vec<(&'static Number, Value)>;

    /// Sets a number, brought into its range. Another tool's is passed over.
    fn set(&mut self, id: &str, value: Value);

    /// The choices, and which option of each is chosen.
    fn choices(&self) -> Vec<(&'static Choice, usize)>;

    /// Chooses an option by its place. Another tool's choice, or an option that there
    /// is not, is passed over.
    fn choose(&mut self, id: &str, option: usize);

    /// All settings for the settings file.
    fn to_json(&self) -> serde_json::Value;

    /// Suits a canvas, as far as nobody has chosen otherwise.
    fn suit(&mut self, size_px: [u32; 2]);

    /// Takes settings from a settings file, each number brought into its range;
    /// what cannot be read is passed over.
    fn read_json(&mut self, settings: &serde_json::Value);
}

impl<T: Described> ToolOptions for T {
    fn numbers(&self) -> Vec<(&'static Number, Value)> {
        let params = T::PARAMS.iter();
        params
            .map(|param| (param.number, (param.get)(self)))
            .collect()
    }

    fn set(&mut self, id: &str, value: Value) {
        if let Some(param) = T::PARAMS.iter().find(|param| param.number.id == id) {
            let present = (param.get)(self);
            (param.set)(self, param.number.allowed.nearest(value, present));
        }
    }

    fn choices(&self) -> Vec<(&'static Choice, usize)> {
        let choices = T::CHOICES.iter();
        choices
            .map(|param| (param.choice, (param.get)(self)))
            .collect()
    }

    fn choose(&mut self, id: &str, option: usize) {
        let param = T::CHOICES.iter().find(|param| param.choice.id == id);
        if let Some(param) = param.filter(|param| option < param.choice.options.len()) {
            (param.set)(self, option);
        }
    }

    fn suit(&mut self, size_px: [u32; 2]) {
        Described::suit(self, size_px);
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_else(|error| {
            log::error!("The settings of a tool could not be written: {error}");
            serde_json::Value::Null
        })
    }

    fn read_json(&mut self, settings: &serde_json::Value) {
        match serde_json::from_value(settings.clone()) {
            Ok(read) => *self = read,
            Err(error) => log::warn!("The settings of a tool could not be read: {error}"),
        }
        let usual = T::default();
        for param in T::PARAMS {
            let range = param.number.allowed;
            let value = range.nearest((param.get)(self), (param.get)(&usual));
            (param.set)(self, value);
        }
    }
}

/// The next larger (positive) or smaller (negative) value of a number, as often
/// as said: tenths of a share, single units where the number is small, about a
/// tenth of it where it is large.
pub fn stepped(number: &Number, value: Value, steps: i32) -> Value {
    let mut amount = value.as_f32();
    for _ in 0..steps.unsigned_abs() {
        let (unit, step) = match number.shown {
            Shown::Percent | Shown::Hundredths => (0.1, 0.1),
            Shown::Tenths => (0.1, 0.1),
            Shown::Whole => (1.0, 1.0),
            Shown::WholeByMagnitude => (1.0, (amount / 10.0).floor().max(1.0)),
        };
        let moved = if steps > 0 {
            amount + step
        } else {
            amount - step
        };
        amount = (moved / unit).round() * unit;
    }
    let amount = match value {
        Value::Whole(_) => Value::Whole(Value::Real(amount).as_u64()),
        Value::Real(_) => Value::Real(amount),
    };
    number.allowed.nearest(amount, value)
}
