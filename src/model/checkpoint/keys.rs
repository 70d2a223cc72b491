//! From a parameter's place in the module tree to its key in a file.

/// The dialect of a file's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// diffusers' names; also for our own modules, whose fields follow them.
    Diffusers,
    /// diffusers' names, or those of autoencoders from before its version 0.15
    /// (`query`, `key`, `value`, `proj_attn`).
    Autoencoder,
    /// transformers' names, with or without `text_model.` in front.
    ClipText,
}

/// A stack of fields and the structures they belong to.
#[derive(Default)]
pub(super) struct Path {
    fields: Vec<(String, String)>,
}

impl Path {
    pub fn enter(&mut self, name: &str, container: &str) {
        self.fields.push((name.to_owned(), container.to_owned()));
    }

    pub fn exit(&mut self) {
        self.fields.pop();
    }

    /// Whether the parameter is a matrix that PyTorch stores transposed.
    pub fn is_linear_weight(&self, rank: usize) -> bool {
        rank == 2
            && self
                .fields
                .last()
                .is_some_and(|(_, container)| container == "Struct:Linear")
    }

    /// The keys under which the parameter may lie, the one to write first.
    pub fn keys(&self, naming: Naming) -> Vec<String> {
        let key = self
            .fields
            .iter()
            .filter_map(|(name, container)| segment(name, container))
            .collect::<Vec<_>>()
            .join(".");
        match naming {
            Naming::Diffusers => vec![key],
            Naming::ClipText => vec![format!("text_model.{key}"), key],
            Naming::Autoencoder => {
                let old = key
                    .replace(".to_q.", ".query.")
                    .replace(".to_k.", ".key.")
                    .replace(".to_v.", ".value.")
                    .replace(".to_out.0.", ".proj_attn.");
                if old == key {
                    vec![key]
                } else {
                    vec![key, old]
                }
            }
        }
    }
}

/// diffusers keeps lists where we have single fields.
fn segment<'a>(name: &'a str, container: &str) -> Option<&'a str> {
    match (name, container) {
        (_, container) if container.starts_with("Enum:") => None,
        ("downsampler", _) => Some("downsamplers.0"),
        ("upsampler", _) => Some("upsamplers.0"),
        ("attention", _) => Some("attentions.0"),
        ("to_out", _) => Some("to_out.0"),
        ("proj", "Struct:FeedForward") => Some("net.0.proj"),
        ("out", "Struct:FeedForward") => Some("net.2"),
        _ => Some(name),
    }
}

/// Whether a key holds no weight but a table that older versions stored.
pub(super) fn is_buffer(key: &str) -> bool {
    key.ends_with(".position_ids")
}
