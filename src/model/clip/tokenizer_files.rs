//! The files of a tokenizer: `tokenizer.json`, which is all that transformers
//! writes today, or `vocab.json` and `merges.txt`, which it wrote before; and
//! beside either what the special tokens are called.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use super::added_tokens::AddedToken;
use super::bpe;
use super::tokenizer::{ClipTokenizer, DEFAULT_LENGTH, END_TOKEN, Rules, START_TOKEN};
use super::tokenizer_json::{AddedEntry, from_tokenizer_json, written};
use crate::files::write_atomically;
use crate::model::ModelError;
use crate::model::json::{read_json, read_text, write_json};

/// Longest text that a tokenizer is believed to be for; transformers writes 10³⁰
/// where the length is not known.
const LONGEST: u64 = 4096;

/// What the files beside the vocabulary say.
struct Names {
    /// `special_tokens_map.json`, then `tokenizer_config.json`.
    files: [Map<String, Value>; 2],
    /// Start and end as `tokenizer.json` puts them around a text.
    around: [Option<String>; 2],
}

impl Names {
    fn read(folder: &Path, post_processor: Option<&Value>) -> Result<Self, ModelError> {
        let map = |name: &str| {
            read_json(&folder.join(name)).map(|read: Option<Map<_, _>>| read.unwrap_or_default())
        };
        Ok(Self {
            files: [
                map("special_tokens_map.json")?,
                map("tokenizer_config.json")?,
            ],
            around: post_processor.map_or([None, None], around),
        })
    }

    /// A token is a string, or an object with its text and how to match it.
    fn entry(&self, name: &str) -> Option<(&str, &Value)> {
        self.files.iter().find_map(|file| {
            let value = file.get(name)?;
            let text = value.as_str().or_else(|| value["content"].as_str())?;
            Some((text, value))
        })
    }

    fn text(&self, name: &str, default: &str) -> String {
        let text = self.entry(name).map(|(text, _)| text);
        text.unwrap_or(default).to_owned()
    }

    fn max_length(&self) -> usize {
        let length = self.files[1]
            .get("model_max_length")
            .and_then(Value::as_u64);
        let length = length.filter(|length| *length <= LONGEST);
        length.map_or(DEFAULT_LENGTH, |length| length as usize)
    }
}

/// The texts of start and end in a `RobertaProcessing`, which CLIP has.
fn around(post_processor: &Value) -> [Option<String>; 2] {
    ["cls", "sep"].map(|key| post_processor[key][0].as_str().map(str::to_owned))
}

impl ClipTokenizer {
    /// Reads the `tokenizer` folder of a model.
    ///
    /// # Errors
    /// If a file is missing or they do not fit together.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let fail = |message: String| ModelError::Tokenizer {
            path: folder.to_path_buf(),
            message,
        };
        let has_lists = ["vocab.json", "merges.txt"]
            .iter()
            .all(|name| folder.join(name).is_file());
        let whole: Option<Value> = read_json(&folder.join("tokenizer.json"))?;
        let read = match whole.map(from_tokenizer_json) {
            Some(Err(_)) if has_lists => None,
            Some(read) => Some(read.map_err(fail)?),
            None => None,
        };
        let (mut rules, post_processor) = match read {
            Some(read) => read,
            None => (from_lists(folder)?, None),
        };
        let names = Names::read(folder, post_processor.as_ref())?;
        let [start, end] = &names.around;
        rules.start = names.text("bos_token", start.as_deref().unwrap_or(START_TOKEN));
        rules.end = names.text("eos_token", end.as_deref().unwrap_or(END_TOKEN));
        rules.pad = names.text("pad_token", END_TOKEN);
        if let Some((unknown, _)) = names.entry("unk_token") {
            rules.unknown = Some(unknown.to_owned());
        }
        rules.max_length = names.max_length();
        add_tokens(&mut rules, folder, &names)?;
        Self::new(rules).map_err(fail)
    }

    /// Writes the files that Python's `CLIPTokenizer` reads: the four of old, and
    /// `tokenizer.json`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), ModelError> {
        fs::create_dir_all(folder).map_err(ModelError::io("make the folder", folder))?;
        let rules = self.rules();
        let vocabulary: BTreeMap<&String, u32> = rules
            .vocabulary
            .iter()
            .map(|(token, number)| (token, *number))
            .collect();
        write_json(&folder.join("vocab.json"), &vocabulary)?;
        let lines: String = rules
            .merges
            .iter()
            .map(|(left, right)| format!("{left} {right}\n"))
            .collect();
        let path = folder.join("merges.txt");
        write_atomically(&path, |file| {
            file.write_all(format!("#version: 0.2\n{lines}").as_bytes())
        })
        .map_err(ModelError::io("write", &path))?;
        let special = json!({
            "bos_token": rules.start,
            "eos_token": rules.end,
            "pad_token": rules.pad,
            "unk_token": rules.unknown.as_ref().unwrap_or(&rules.end),
        });
        write_json(&folder.join("special_tokens_map.json"), &special)?;
        let mut config = special;
        config["do_lower_case"] = json!(true);
        config["model_max_length"] = json!(self.max_length());
        config["tokenizer_class"] = json!("CLIPTokenizer");
        let added = rules.added.iter().map(|token| {
            let number = token.number.to_string();
            (number, written(token))
        });
        config["added_tokens_decoder"] = Value::Object(added.collect());
        write_json(&folder.join("tokenizer_config.json"), &config)?;
        write_json(&folder.join("tokenizer.json"), &self.tokenizer_json())
    }
}

/// The rules of `vocab.json` and `merges.txt`.
fn from_lists(folder: &Path) -> Result<Rules, ModelError> {
    let fail = |message: String| ModelError::Tokenizer {
        path: folder.to_path_buf(),
        message,
    };
    let vocabulary: HashMap<String, u32> =
        read_json(&folder.join("vocab.json"))?.ok_or_else(|| {
            fail("tokenizer.json is missing, and vocab.json, which would do, is too".into())
        })?;
    let merges = read_text(&folder.join("merges.txt"))?
        .ok_or_else(|| fail("merges.txt, which belongs to vocab.json, is missing".into()))?;
    let merges = bpe::parse_merges(&merges).map_err(fail)?;
    Ok(Rules::clip(vocabulary, merges))
}

/// Adds the tokens that the other files add, and how special tokens are matched.
fn add_tokens(rules: &mut Rules, folder: &Path, names: &Names) -> Result<(), ModelError> {
    let mut more: Vec<AddedToken> = Vec::new();
    if let Some(Value::Object(decoder)) = names.files[1].get("added_tokens_decoder") {
        for (number, entry) in decoder {
            let entry = AddedEntry::deserialize(entry);
            if let (Ok(number), Ok(entry)) = (number.parse(), entry) {
                more.push(entry.token(number));
            }
        }
    }
    let older: Option<BTreeMap<String, u32>> = read_json(&folder.join("added_tokens.json"))?;
    for (content, number) in older.into_iter().flatten() {
        more.push(AddedToken {
            is_normalized: true,
            is_special: false,
            ..AddedToken::special(&content, number)
        });
    }
    for key in ["bos_token", "eos_token", "unk_token", "pad_token"] {
        let Some((text, value)) = names.entry(key) else {
            continue;
        };
        // Of two special tokens with one text, the later says how it is matched.
        let is_normalized = value["normalized"].as_bool().unwrap_or(false);
        match more.iter_mut().find(|token| token.content == text) {
            Some(token) => token.is_normalized = is_normalized,
            None => {
                if let Some(number) = rules.vocabulary.get(text) {
                    more.push(AddedToken {
                        is_normalized,
                        ..AddedToken::special(text, *number)
                    });
                }
            }
        }
    }
    for token in more {
        let mut known = rules.added.iter();
        if !known.any(|known| known.content == token.content) {
            rules.added.push(token);
        }
    }
    Ok(())
}
