//! How the noise levels of a run are spread.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How the noise levels of a run are spread between the largest and the smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Schedule {
    /// As the steps of the training are.
    Uniform,
    /// Evenly in σ^(1/7) (Karras et al. 2022, <https://arxiv.org/abs/2206.00364>,
    /// equation 5).
    Karras,
    /// Evenly in log σ.
    Exponential,
    /// As a beta distribution is, most at both ends (Lee et al. 2024,
    /// <https://arxiv.org/abs/2407.12173>).
    Beta,
    /// As was found best for Stable Diffusion 1 in ten steps (Sabour et al. 2024,
    /// <https://arxiv.org/abs/2404.14507>).
    AlignYourSteps,
}

impl Schedule {
    /// All of them, in the order of menus.
    pub const ALL: [Self; 5] = [
        Self::Uniform,
        Self::Karras,
        Self::Exponential,
        Self::Beta,
        Self::AlignYourSteps,
    ];

    /// The name on the command line and in our JSON.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Karras => "karras",
            Self::Exponential => "exponential",
            Self::Beta => "beta",
            Self::AlignYourSteps => "ays",
        }
    }

    /// The name in menus.
    pub const fn label(self) -> &'static str {
        match self {
            Self::AlignYourSteps => "AYS",
            other => other.infotext(),
        }
    }

    /// The name in A1111 infotext, as "Schedule type".
    pub const fn infotext(self) -> &'static str {
        match self {
            Self::Uniform => "Uniform",
            Self::Karras => "Karras",
            Self::Exponential => "Exponential",
            Self::Beta => "Beta",
            Self::AlignYourSteps => "Align Your Steps",
        }
    }

    /// What it does: a sentence without its full stop.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Uniform => "Noise levels as they are spread in the training",
            Self::Karras => "Noise levels of Karras et al.: more of the steps at low noise",
            Self::Exponential => "Each noise level the same part of the one before",
            Self::Beta => "More of the steps at both ends, at high and at low noise",
            Self::AlignYourSteps => {
                "Align Your Steps: noise levels found best for Stable Diffusion in few steps"
            }
        }
    }

    /// The schedule of a name.
    pub fn of_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|schedule| schedule.id() == id)
    }

    /// The schedule of a name in infotext.
    pub fn of_infotext(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        match name {
            "Normal" => Some(Self::Uniform),
            name => all.find(|schedule| schedule.infotext() == name),
        }
    }
}

/// The keys of a schedule in our JSON. Before there were more than two, `karras` said
/// which; it goes on saying that, so that older programs read it, and the others have a
/// key of their own.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Keys {
    karras: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<String>,
}

/// Writes the keys of a schedule into the object around it.
///
/// # Errors
/// Those of the serialiser.
pub(super) fn serialize<S: Serializer>(
    schedule: &Option<Schedule>,
    to: S,
) -> Result<S::Ok, S::Error> {
    let keys = match schedule {
        None => Keys::default(),
        Some(Schedule::Uniform) => Keys {
            karras: Some(false),
            schedule: None,
        },
        Some(Schedule::Karras) => Keys {
            karras: Some(true),
            schedule: None,
        },
        Some(other) => Keys {
            karras: None,
            schedule: Some(other.id().to_owned()),
        },
    };
    keys.serialize(to)
}

/// Reads them; a name that is not known, of a newer program, is as none.
///
/// # Errors
/// Those of the deserialiser.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Schedule>, D::Error> {
    let keys = Keys::deserialize(from)?;
    let named = keys.schedule.as_deref().and_then(Schedule::of_id);
    let plain = keys.karras.map(|is_karras| {
        if is_karras {
            Schedule::Karras
        } else {
            Schedule::Uniform
        }
    });
    Ok(named.or(plain))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::recipe::GenerateSpec;

    #[test]
    fn names_are_found_again() {
        for schedule in Schedule::ALL {
            assert_eq!(Schedule::of_id(schedule.id()), Some(schedule));
            assert_eq!(Schedule::of_infotext(schedule.infotext()), Some(schedule));
        }
        assert_eq!(Schedule::of_id("KARRAS"), None);
    }

    #[test]
    fn all_come_back_from_json_and_two_are_written_as_ever() {
        for schedule in Schedule::ALL.map(Some).into_iter().chain([None]) {
            let spec = GenerateSpec {
                schedule,
                seed: u64::MAX,
                ..GenerateSpec::default()
            };
            let json = serde_json::to_value(&spec).unwrap();
            let plain = [None, Some(Schedule::Uniform), Some(Schedule::Karras)];
            if plain.contains(&schedule) {
                let karras = schedule.map(|it| it == Schedule::Karras);
                assert_eq!(json["karras"], json!(karras));
                assert!(json.get("schedule").is_none());
            }
            assert_eq!(serde_json::from_value::<GenerateSpec>(json).unwrap(), spec);
        }
        let read = |json| {
            serde_json::from_value::<GenerateSpec>(json)
                .unwrap()
                .schedule
        };
        assert_eq!(read(json!({})), None);
        assert_eq!(read(json!({"schedule": "of tomorrow"})), None);
        assert_eq!(read(json!({"karras": true})), Some(Schedule::Karras));
    }
}
