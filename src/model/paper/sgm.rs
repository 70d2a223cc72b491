//! YAML files of Stability's later code (`sgm`), as they lie beside files of Stable Diffusion
//! XL. Such files tell their sizes themselves; what the denoiser predicts is all that is read
//! of them (<https://github.com/Stability-AI/generative-models>,
//! `sgm/modules/diffusionmodules/denoiser_scaling.py`).

use serde_json::Value;

use super::OriginalPrediction;
use super::told::last;

/// What its classes begin with.
const CODE: &str = "sgm.";
/// Where the class stands that says what is predicted.
const SCALING: &str = "/params/denoiser_config/params/scaling_config/target";

/// Whether the configuration of a model is one of that code.
pub(super) fn is_one(model: &Value) -> bool {
    let target = model.get("target").and_then(Value::as_str);
    target.is_some_and(|target| target.starts_with(CODE))
}

/// What the denoiser of such a configuration predicts; `None` where it does not say.
///
/// # Errors
/// If it is something that is not known.
pub(super) fn prediction(model: &Value) -> Result<Option<OriginalPrediction>, String> {
    let target = model.pointer(SCALING).and_then(Value::as_str);
    match target.map(last) {
        None => Ok(None),
        Some("EpsScaling") => Ok(Some(OriginalPrediction::Epsilon)),
        Some("VScaling") => Ok(Some(OriginalPrediction::Velocity)),
        Some(other) => Err(format!(
            "scaling_config with the target {other} is not supported: EpsScaling and VScaling are"
        )),
    }
}
