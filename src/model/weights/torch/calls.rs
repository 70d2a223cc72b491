//! What pickles of checkpoints call, by name. Nothing of it is ever run.

/// What comes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callable {
    /// A tensor or parameter.
    Tensor,
    /// A dictionary.
    Dict,
    /// A tuple of what is given.
    Sequence,
    /// Something beside the weights: callbacks, settings, states of optimisers.
    Unneeded,
}

const TENSORS: [&str; 7] = [
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch._tensor._rebuild_from_type_v2",
    "torch.tensor._rebuild_from_type",
];

/// A module that is a dictionary of parameters, as words for text encoders are kept in.
pub(super) const PARAMETERS: &str = "_parameters";

const DICTS: [&str; 6] = [
    "torch.nn.modules.container.ParameterDict",
    "collections.OrderedDict",
    "collections.defaultdict",
    "collections.Counter",
    "builtins.dict",
    "__builtin__.dict",
];

const SEQUENCES: [&str; 5] = [
    "torch.Size",
    "builtins.list",
    "builtins.tuple",
    "__builtin__.list",
    "__builtin__.tuple",
];

/// Whole modules of which checkpoints hold objects, and single functions.
const UNNEEDED: [&str; 52] = [
    "pytorch_lightning.",
    "lightning.",
    "lightning_fabric.",
    "omegaconf.",
    "ldm.",
    "taming.",
    "diffusers.",
    "transformers.",
    "argparse.Namespace",
    "types.SimpleNamespace",
    "typing.",
    "torch.nn.",
    "torch.optim.",
    "torch.device",
    "torch.dtype",
    "torch.Tensor",
    "torch.Generator",
    "torch.storage.",
    "torch._utils.",
    "torch._tensor.",
    "torch.serialization._get_layout",
    "numpy.dtype",
    "numpy.ndarray",
    "numpy.core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.numeric._frombuffer",
    "numpy.core.numeric._frombuffer",
    "numpy.random._pickle.",
    "_codecs.encode",
    "copyreg._reconstructor",
    "copy_reg._reconstructor",
    "copyreg.__newobj__",
    "collections.deque",
    "datetime.",
    "pathlib.",
    "enum.",
    "decimal.Decimal",
    "fractions.Fraction",
    "uuid.UUID",
    "functools.partial",
    "builtins.set",
    "builtins.frozenset",
    "builtins.bytearray",
    "builtins.bytes",
    "builtins.complex",
    "builtins.range",
    "builtins.slice",
    "builtins.object",
    "__builtin__.set",
    "__builtin__.object",
];

/// What a call of this function gives; `None` for one that no checkpoint calls.
pub(super) fn known(name: &str) -> Option<Callable> {
    if TENSORS.contains(&name) {
        Some(Callable::Tensor)
    } else if DICTS.contains(&name) {
        Some(Callable::Dict)
    } else if SEQUENCES.contains(&name) {
        Some(Callable::Sequence)
    } else {
        let is_known = |known: &&str| match known.strip_suffix('.') {
            Some(_) => name.starts_with(*known),
            None => name == *known,
        };
        UNNEEDED.iter().any(is_known).then_some(Callable::Unneeded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_checkpoints_call_is_known() {
        assert_eq!(
            known("torch._utils._rebuild_tensor_v2"),
            Some(Callable::Tensor)
        );
        assert_eq!(
            known("omegaconf.listconfig.ListConfig"),
            Some(Callable::Unneeded)
        );
        for foreign in [
            "os.system",
            "builtins.eval",
            "torch.load",
            "numpy.load",
            "builtins.settrace",
        ] {
            assert_eq!(known(foreign), None, "{foreign}");
        }
    }
}
