//! From the values of a pickle to the tensors of a state dictionary.

use std::collections::BTreeMap;

use safetensors::Dtype;

use super::pickle::{Id, Pickle, Value};

/// Axes of a tensor; PyTorch itself has no more.
const MOST_AXES: usize = 64;
/// Parameters that hold tensors that hold tensors; PyTorch writes two.
const MOST_SHELLS: usize = 4;
/// Wrappers around wrappers.
const MOST_WRAPPERS: usize = 4;
/// Keys under which a checkpoint keeps its weights beside other things, best first; the
/// last is that of words for a text encoder.
const WRAPPERS: [&str; 7] = [
    "state_dict",
    "model_state_dict",
    "module",
    "params_ema",
    "params",
    "model",
    "string_to_param",
];
/// Keys under which a checkpoint of GLIGEN (<https://github.com/gligen/GLIGEN>) keeps its
/// networks, each a dictionary of its own, and where they lie in other checkpoints.
const NETWORKS: [(&str, &str); 3] = [
    ("model", "model.diffusion_model."),
    ("autoencoder", "first_stage_model."),
    ("text_encoder", "cond_stage_model."),
];
/// Averaged weights of the first of them, by the same names.
const AVERAGED: &str = "ema";
/// Dictionaries that are looked into where there are no weights beside them, as the two of
/// IP-Adapters.
const MOST_INNER: usize = 8;
/// Longest name of one of them, which goes before all names in it.
const LONGEST_INNER_NAME: usize = 64;

/// Numbers that the pickle refers to and that lie behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StorageClaim {
    /// The kind of number; `None` for plain bytes.
    pub dtype: Option<Dtype>,
    /// How many there are said to be.
    pub count: usize,
}

/// A part of a storage, seen as a tensor.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub dtype: Dtype,
    pub storage: String,
    /// The number of the storage with which the tensor begins.
    pub first: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

impl View {
    /// Numbers of the tensor.
    pub fn count(&self) -> Option<usize> {
        product(&self.shape)
    }

    /// The number of the storage behind the last one that is looked at.
    pub fn end(&self) -> Option<usize> {
        if self.shape.contains(&0) {
            return Some(self.first);
        }
        let axes = self.shape.iter().zip(&self.strides);
        let last = axes
            .into_iter()
            .try_fold(self.first, |last, (length, stride)| {
                last.checked_add((length - 1).checked_mul(*stride)?)
            })?;
        last.checked_add(1)
    }

    /// Whether the numbers lie one after the other.
    pub fn is_plain(&self) -> bool {
        let mut wanted = 1;
        let mut axes = self.shape.iter().zip(&self.strides).rev();
        self.shape.contains(&0)
            || axes.all(|(length, stride)| {
                let is_next = *length == 1 || *stride == wanted;
                wanted *= length;
                is_next
            })
    }
}

/// The product of lengths, if it can be a size in memory.
fn product(shape: &[usize]) -> Option<usize> {
    let product = shape
        .iter()
        .try_fold(1_usize, |all, length| all.checked_mul(*length));
    product.filter(|all| isize::try_from(*all).is_ok())
}

/// What a pickle says of weights.
#[derive(Debug, Default)]
pub(super) struct State {
    pub tensors: BTreeMap<String, View>,
    pub storages: BTreeMap<String, StorageClaim>,
}

impl State {
    /// The weights of a checkpoint: its `state_dict`, or else the whole of it.
    ///
    /// # Errors
    /// If it holds none, or a tensor is not as one can be.
    pub fn of(pickle: &Pickle) -> Result<Self, String> {
        let Value::Dict(root) = pickle.root() else {
            return Err("it holds no dictionary of weights".into());
        };
        let mut state = Self::default();
        let within = |outer: &[(Id, Id)], wrapper: &str| {
            let mut entries = outer.iter();
            let entry = entries.find(|(key, _)| pickle.text(*key) == Some(wrapper));
            match entry.map(|(_, value)| pickle.get(*value)) {
                Some(Value::Dict(inner)) => Some(inner),
                _ => None,
            }
        };
        let network = |(key, place)| {
            let own = within(root, key);
            // An empty one, or one that only says how it is averaged, stands for nothing.
            let least = own.map_or(1, Vec::len);
            let averaged = within(root, AVERAGED)
                .filter(|averaged| key == NETWORKS[0].0 && averaged.len() >= least);
            averaged.or(own).map(|inner| (place, inner))
        };
        let networks: Option<Vec<_>> = NETWORKS.into_iter().map(network).collect();
        let parts = networks.unwrap_or_else(|| {
            let mut entries = root;
            for _ in 0..MOST_WRAPPERS {
                let inner = WRAPPERS.iter().find_map(|wrapper| within(entries, wrapper));
                let Some(inner) = inner else { break };
                entries = inner;
            }
            vec![("", entries)]
        });
        for (place, entries) in &parts {
            state.take(pickle, entries, place)?;
        }
        if state.tensors.is_empty() {
            for (_, entries) in &parts {
                state.take_inner(pickle, entries)?;
            }
        }
        if state.tensors.is_empty() {
            // Those lie there by the widths of attention, two networks each.
            let is_width = |key: &Id| matches!(pickle.get(*key), Value::Int(_));
            let is_list = |value: &Id| matches!(pickle.get(*value), Value::List(_));
            let is_hypernetwork = root
                .iter()
                .any(|(key, value)| is_width(key) && is_list(value));
            return Err(match is_hypernetwork {
                true => "it is a hypernetwork, which is not supported in this edition; take a LoRA instead",
                false => "it holds no weights",
            }
            .into());
        }
        Ok(state)
    }

    /// Takes the tensors of a dictionary, whose names are said to begin with `place`.
    fn take(&mut self, pickle: &Pickle, entries: &[(Id, Id)], place: &str) -> Result<(), String> {
        for (key, value) in entries {
            let Some(name) = pickle.text(*key) else {
                continue;
            };
            let view = self.view(pickle, *value);
            if let Some(view) = view.map_err(|reason| format!("{name} {reason}"))? {
                let name = name.strip_prefix(place).unwrap_or(name);
                self.tensors.insert(format!("{place}{name}"), view);
            }
        }
        Ok(())
    }

    /// Takes the tensors of the dictionaries in a dictionary, by the names of both.
    fn take_inner(&mut self, pickle: &Pickle, entries: &[(Id, Id)]) -> Result<(), String> {
        let mut taken: Vec<Id> = Vec::new();
        for (key, value) in entries {
            let (Some(name), Value::Dict(inner)) = (pickle.text(*key), pickle.get(*value)) else {
                continue;
            };
            // One that is there many times would be many times as large as the file.
            if name.len() > LONGEST_INNER_NAME || taken.contains(value) {
                continue;
            }
            taken.push(*value);
            self.take(pickle, inner, &format!("{name}."))?;
            if taken.len() == MOST_INNER {
                break;
            }
        }
        Ok(())
    }

    /// All that the pickle refers to, wherever it is used: the older format puts one
    /// after the other.
    pub fn all_storages(&mut self, pickle: &Pickle) -> Result<(), String> {
        for id in pickle.ids() {
            if let Value::Persistent(key) = pickle.get(id)
                && !pickle.is_module(id)
            {
                self.storage(pickle, *key)?;
            }
        }
        Ok(())
    }

    /// A tensor, `None` for what is none.
    fn view(&mut self, pickle: &Pickle, value: Id) -> Result<Option<View>, String> {
        let unclear = || "is a tensor that is not described as one".to_owned();
        let mut value = value;
        for _ in 0..MOST_SHELLS {
            let Value::Rebuilt(callee, arguments) = pickle.get(value) else {
                return Ok(None);
            };
            let given = pickle.items(*arguments).ok_or_else(unclear)?;
            match callee.rsplit('.').next().unwrap_or_default() {
                "_rebuild_parameter" | "_rebuild_parameter_with_state" => {
                    value = *given.first().ok_or_else(unclear)?;
                }
                "_rebuild_from_type_v2" => {
                    // The function, the class, the arguments of the function, the rest.
                    let (Some(callee), Some(arguments)) = (given.first(), given.get(2)) else {
                        return Err(unclear());
                    };
                    let Value::Global(callee) = pickle.get(*callee) else {
                        return Err(unclear());
                    };
                    let given = pickle.items(*arguments).ok_or_else(unclear)?;
                    return self.rebuilt(pickle, callee, given).map(Some);
                }
                _ => return self.rebuilt(pickle, callee, given).map(Some),
            }
        }
        Err(unclear())
    }

    fn rebuilt(&mut self, pickle: &Pickle, callee: &str, given: &[Id]) -> Result<View, String> {
        let unclear = || "is a tensor that is not described as one".to_owned();
        let callee = callee.rsplit('.').next().unwrap_or_default();
        if !callee.starts_with("_rebuild_tensor") {
            return Err(format!("is made by {callee}, which is not known"));
        }
        let [storage, first, shape, strides, ..] = given else {
            return Err(unclear());
        };
        let Value::Persistent(key) = pickle.get(*storage) else {
            return Err("has no storage".into());
        };
        let (storage, dtype, begin) = self.storage(pickle, *key)?;
        // The third version names the kind of number, for storages that do not.
        let told = given.get(6).filter(|_| callee == "_rebuild_tensor_v3");
        let told =
            match told.map(|id| pickle.get(*id)) {
                Some(Value::Global(name)) => Some(dtype_of(name).ok_or_else(|| {
                    format!("holds numbers of the kind {name}, which is not known")
                })?),
                _ => None,
            };
        let view = View {
            dtype: told.or(dtype).ok_or_else(unclear)?,
            storage,
            first: pickle
                .size(*first)
                .and_then(|first| first.checked_add(begin))
                .ok_or_else(unclear)?,
            shape: pickle.sizes(*shape).ok_or_else(unclear)?,
            strides: pickle.sizes(*strides).ok_or_else(unclear)?,
        };
        if view.shape.len() > MOST_AXES || view.shape.len() != view.strides.len() {
            return Err(unclear());
        }
        Ok(view)
    }

    /// Key, kind of number and first number of what a persistent id refers to:
    /// `("storage", class, key, device, count[, (view's key, first, count)])`.
    fn storage(
        &mut self,
        pickle: &Pickle,
        id: Id,
    ) -> Result<(String, Option<Dtype>, usize), String> {
        let unclear = || "refers to something that is no storage".to_owned();
        let parts = pickle.items(id).ok_or_else(unclear)?;
        let [kind, class, key, _, count, rest @ ..] = parts else {
            return Err(unclear());
        };
        let (Some("storage"), Value::Global(class)) = (pickle.text(*kind), pickle.get(*class))
        else {
            return Err(unclear());
        };
        let dtype = storage_dtype(class).ok_or_else(|| {
            format!("lies in a {class}, which is no kind of storage that is known")
        })?;
        let key = pickle.text(*key).ok_or_else(unclear)?.to_owned();
        let count = pickle.size(*count).ok_or_else(unclear)?;
        let begin = match rest.first().and_then(|view| pickle.items(*view)) {
            Some([_, begin, _]) => pickle.size(*begin).ok_or_else(unclear)?,
            _ => 0,
        };
        let claim = StorageClaim { dtype, count };
        let known = self
            .storages
            .entry(key.clone())
            .or_insert_with(|| claim.clone());
        if *known != claim {
            return Err(format!(
                "refers to storage {key}, of which two different things are said"
            ));
        }
        Ok((key, dtype, begin))
    }
}

/// The kind of number of a class of storages, `None` in it for plain bytes.
fn storage_dtype(class: &str) -> Option<Option<Dtype>> {
    let name = class.strip_prefix("torch.")?.rsplit('.').next()?;
    Some(Some(match name.strip_suffix("Storage")? {
        "Untyped" => return Some(None),
        "Float" => Dtype::F32,
        "Half" => Dtype::F16,
        "BFloat16" => Dtype::BF16,
        "Double" => Dtype::F64,
        "Byte" => Dtype::U8,
        "Char" => Dtype::I8,
        "Short" => Dtype::I16,
        "Int" => Dtype::I32,
        "Long" => Dtype::I64,
        "Bool" => Dtype::BOOL,
        "ComplexFloat" => Dtype::C64,
        _ => return None,
    }))
}

/// A kind of number by its name in PyTorch.
fn dtype_of(name: &str) -> Option<Dtype> {
    Some(match name.strip_prefix("torch.")? {
        "float32" => Dtype::F32,
        "float16" => Dtype::F16,
        "bfloat16" => Dtype::BF16,
        "float64" => Dtype::F64,
        "uint8" => Dtype::U8,
        "int8" => Dtype::I8,
        "int16" => Dtype::I16,
        "int32" => Dtype::I32,
        "int64" => Dtype::I64,
        "uint16" => Dtype::U16,
        "uint32" => Dtype::U32,
        "uint64" => Dtype::U64,
        "bool" => Dtype::BOOL,
        "float8_e4m3fn" => Dtype::F8_E4M3,
        "float8_e5m2" => Dtype::F8_E5M2,
        _ => return None,
    })
}
