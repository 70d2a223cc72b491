//! From a source into a module, and from a module into a file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use super::super::ModelError;
use super::names::{FieldPath, Names, Speller};
use super::{Arranged, Gathered, WeightDtype, WeightSource, write};

/// Fills a module with weights, held as `dtype` where that matters: vectors
/// (biases, normalisations) stay f32.
///
/// `network` names the module in errors. Nothing is read, and nothing
/// allocated for it, unless every name and shape fits.
///
/// # Errors
/// One error that names the file, the weights and the shapes, if any weight is
/// missing, has another shape, or lies within the network and belongs to no
/// parameter; or if a file is damaged; or if `dtype` cannot hold a weight.
pub fn load<M: Module>(
    module: M,
    source: &dyn WeightSource,
    names: &Names,
    network: &'static str,
    dtype: WeightDtype,
) -> Result<M, ModelError> {
    let found = compare(&module, source, names).map_err(|message| ModelError::Mismatch {
        path: source.path().to_path_buf(),
        config: network,
        message,
    })?;
    let mut order = Order::default();
    module.visit(&mut order);
    let mut loader = Loader {
        source,
        dtype,
        found,
        path: FieldPath::default(),
        waiting: order.parameters.into_iter(),
        read: HashMap::new(),
        failure: None,
    };
    let module = module.map(&mut loader);
    match loader.failure {
        Some(error) => Err(error),
        None => Ok(module),
    }
}

/// Whether a source holds exactly the weights of a module.
pub fn fits<M: Module>(module: &M, source: &dyn WeightSource, names: &Names) -> bool {
    let found = differences(module, source, names);
    found.missing.is_empty() && found.mismatched.is_empty() && found.surplus.is_empty()
}

/// Writes the weights of a module to one file, which appears whole or not at all.
///
/// # Errors
/// If the file cannot be written, or a weight does not fit `dtype`.
pub fn save<M: Module>(
    module: &M,
    path: &Path,
    names: &Names,
    dtype: WeightDtype,
) -> Result<(), ModelError> {
    let mut collector = Collector::default();
    module.visit(&mut collector);
    let speller = collector.speller(names);
    let entries = collector.parameters.into_iter().map(|parameter| {
        let key = speller.first(&parameter.name);
        write::Entry {
            key,
            shape: parameter.shape,
            transposed: parameter.is_transposed,
            read: parameter.read,
        }
    });
    write::write(path, entries.collect(), dtype)
}

/// Names and shapes of a module's weights as they lie in a file; nothing is allocated.
pub fn layout<M: Module>(module: &M, names: &Names) -> Vec<(String, Vec<usize>)> {
    let mut collector = Collector::default();
    module.visit(&mut collector);
    let speller = collector.speller(names);
    let parameters = collector.parameters.iter();
    parameters
        .map(|parameter| (speller.first(&parameter.name), parameter.stored_shape()))
        .collect()
}

/// What a source has of a module's weights.
#[derive(Debug, Default)]
pub struct Differences {
    /// Where each parameter lies, by our name of it.
    found: BTreeMap<String, String>,
    /// Names that are needed and not there.
    pub missing: Vec<String>,
    /// Names that are there with another shape: name, shape found, shape needed.
    pub mismatched: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// Names that nothing needs.
    pub surplus: Vec<String>,
    /// Those of them that lie within the network, which is another one than it is taken for; what
    /// lies beside it is passed over.
    pub strange: Vec<String>,
}

/// What networks of diffusers have besides blocks, by the beginnings of its names: one that has it
/// is none without.
const PARTS_OF_NETWORKS: [&str; 8] = [
    "class_embedding",
    "add_embedding",
    "encoder_hid_proj",
    "position_net",
    "time_embedding",
    "controlnet_",
    "post_quant_conv",
    "quantize",
];

impl Differences {
    /// A source that has nothing.
    pub fn all_missing(names: Vec<String>) -> Self {
        Self {
            missing: names,
            ..Self::default()
        }
    }

    /// The names under which weights of the module lie in the source.
    pub fn used(&self) -> impl Iterator<Item = &str> {
        let mismatched = self.mismatched.iter().map(|(name, ..)| name.as_str());
        self.found.values().map(String::as_str).chain(mismatched)
    }
}

impl Arranged {
    /// The weights of a module in a source, by the names that they have in a file that we
    /// write; nothing is read.
    ///
    /// # Errors
    /// As [`load`], of what names and shapes tell.
    pub fn of_module<M: Module>(
        module: &M,
        source: Box<dyn WeightSource>,
        names: &Names,
        network: &'static str,
    ) -> Result<Self, ModelError> {
        let path = source.path().to_path_buf();
        let found =
            compare(module, source.as_ref(), names).map_err(|message| ModelError::Mismatch {
                path: path.clone(),
                config: network,
                message,
            })?;
        let mut collector = Collector::default();
        module.visit(&mut collector);
        let speller = collector.speller(names);
        let parameters = collector.parameters.into_iter();
        let gathered = parameters.filter_map(|parameter| {
            let gathered = Gathered {
                shape: parameter.stored_shape(),
                rows: vec![(0, found.get(&parameter.name)?.clone())],
                is_turned: false,
            };
            Some((speller.first(&parameter.name), gathered))
        });
        Self::new(&path, vec![source.into()], gathered.collect())
    }
}

/// Compares a module with a source by names and shapes; nothing is read.
pub fn differences<M: Module>(module: &M, source: &dyn WeightSource, names: &Names) -> Differences {
    let mut collector = Collector::default();
    module.visit(&mut collector);
    let speller = collector.speller(names);
    let mut differences = Differences::default();
    let mut used = BTreeSet::new();
    for parameter in collector.parameters {
        let spellings = speller.all(&parameter.name);
        let mut there = spellings
            .iter()
            .filter_map(|name| source.shape(name).map(|shape| (name, shape)));
        let Some((name, stored)) = there.next() else {
            differences.missing.extend(spellings.into_iter().next());
            continue;
        };
        used.insert(name.clone());
        let wanted = parameter.stored_shape();
        // Old autoencoders hold the matrices of attention as 1×1 convolutions.
        let is_squeezed = parameter.is_transposed && stored.len() == 4 && stored[2..] == [1, 1];
        let matrix = if is_squeezed { &stored[..2] } else { stored };
        if matrix == wanted {
            differences.found.insert(parameter.name, name.clone());
        } else {
            let mismatch = (name.clone(), stored.to_vec(), wanted);
            differences.mismatched.push(mismatch);
        }
    }
    differences.surplus = source
        .names()
        .filter(|name| !used.contains(*name) && !speller.ignores(name))
        .map(str::to_owned)
        .collect();
    let first = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let within: BTreeSet<String> = used.iter().map(|name| first(name)).collect();
    let is_strange = |name: &&String| {
        within.contains(&first(name)) || PARTS_OF_NETWORKS.iter().any(|part| name.starts_with(part))
    };
    differences.strange = differences
        .surplus
        .iter()
        .filter(is_strange)
        .cloned()
        .collect();
    differences
}

/// Where each parameter lies in a source, by our name of it; the error says what
/// does not fit.
fn compare<M: Module>(
    module: &M,
    source: &dyn WeightSource,
    names: &Names,
) -> Result<BTreeMap<String, String>, String> {
    let differences = differences(module, source, names);
    let shapes = differences.mismatched.iter();
    let shapes =
        shapes.map(|(name, stored, wanted)| format!("{name} ({stored:?} instead of {wanted:?})"));
    let parts = [
        listed("missing are", &differences.missing),
        listed("of another shape are", &shapes.collect::<Vec<_>>()),
        listed("not expected are", &differences.strange),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        Ok(differences.found)
    } else {
        Err(parts.join("; "))
    }
}

/// A list that names the first three.
fn listed(what: &str, items: &[String]) -> Option<String> {
    const SHOWN: usize = 3;
    if items.is_empty() {
        return None;
    }
    let shown: Vec<&str> = items.iter().take(SHOWN).map(String::as_str).collect();
    let more = match items.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!("{what} {}{more}", shown.join(", ")))
}

/// Bytes of weights that are read together, so that threads need not wait for each other after
/// each of them. They are moved into the module or copied to its device before the next are read.
const TOGETHER_BYTES: usize = 64 << 20;

struct Loader<'a> {
    source: &'a dyn WeightSource,
    dtype: WeightDtype,
    found: BTreeMap<String, String>,
    path: FieldPath,
    /// Parameters that are not read yet, in the order of the module.
    waiting: std::vec::IntoIter<Wanted>,
    /// What was read and is not asked for yet, by our names.
    read: HashMap<String, TensorData>,
    failure: Option<ModelError>,
}

impl Loader<'_> {
    /// The numbers of the parameter at hand, in the order of the module.
    fn fetch(&mut self) -> Result<Option<TensorData>, ModelError> {
        let name = self.path.name();
        while !self.read.contains_key(&name) && !self.waiting.as_slice().is_empty() {
            self.read_on()?;
        }
        Ok(self.read.remove(&name))
    }

    /// Reads the next parameters, on many threads.
    fn read_on(&mut self) -> Result<(), ModelError> {
        let (mut next, mut bytes) = (Vec::new(), 0);
        while bytes < TOGETHER_BYTES
            && let Some(wanted) = self.waiting.next()
        {
            bytes += wanted.shape.iter().product::<usize>() * self.dtype.bytes();
            next.push(wanted);
        }
        let read = next.par_iter().filter_map(|wanted| {
            let name = self.found.get(&wanted.name)?;
            let dtype = match wanted.shape.len() {
                0 | 1 => WeightDtype::F32,
                _ => self.dtype,
            };
            let shape = &wanted.shape;
            let data = self.source.read(name, shape, wanted.is_transposed, dtype);
            Some(data.map(|data| (wanted.name.clone(), data)))
        });
        // Of several failures, the first in the order of the module is told.
        let read: Vec<Result<_, _>> = read.collect();
        for read in read {
            let (name, data) = read?;
            self.read.insert(name, data);
        }
        Ok(())
    }
}

/// A parameter that is to be read.
struct Wanted {
    name: String,
    /// In memory; a transposed one lies in files with its axes swapped.
    shape: Vec<usize>,
    is_transposed: bool,
}

/// Finds the parameters of a module in its order.
#[derive(Default)]
struct Order {
    path: FieldPath,
    parameters: Vec<Wanted>,
}

impl ModuleVisitor for Order {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.parameters.push(Wanted {
            name: self.path.name(),
            shape: param.lazy_shape().as_slice().to_vec(),
            is_transposed: self.path.is_linear_weight(D),
        });
    }
}

impl ModuleMapper for Loader<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.failure.is_some() {
            return param;
        }
        let data = match self.fetch() {
            Ok(Some(data)) => data,
            Ok(None) => return param,
            Err(error) => {
                self.failure = Some(error);
                return param;
            }
        };
        let device = param.lazy_device();
        let dtype = data.dtype();
        let tensor = device.memory_persistent_allocations(data, |data| {
            Tensor::<D>::from_data(data, (&device, dtype))
        });
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}

/// A parameter of a module, not drawn.
struct Parameter {
    name: String,
    /// In memory; a transposed one lies in files with its axes swapped.
    shape: Vec<usize>,
    is_transposed: bool,
    read: write::Fetch,
}

impl Parameter {
    fn stored_shape(&self) -> Vec<usize> {
        write::stored_shape(&self.shape, self.is_transposed)
    }
}

#[derive(Default)]
struct Collector {
    path: FieldPath,
    parameters: Vec<Parameter>,
}

impl Collector {
    fn speller(&self, names: &Names) -> Speller {
        let parameters = self.parameters.iter();
        let parameters: Vec<&str> = parameters.map(|it| it.name.as_str()).collect();
        Speller::new(names, &parameters)
    }
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let shape = match self.path.is_number(D) {
            true => Vec::new(),
            false => param.lazy_shape().as_slice().to_vec(),
        };
        let param = param.clone();
        self.parameters.push(Parameter {
            name: self.path.name(),
            shape,
            is_transposed: self.path.is_linear_weight(D),
            read: Box::new(move || {
                param
                    .val()
                    .try_into_data()
                    .map_err(|error| error.to_string())
            }),
        });
    }
}
