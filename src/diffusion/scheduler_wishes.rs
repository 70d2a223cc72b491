//! What a `scheduler_config.json` asks for that is done otherwise here.

use serde_json::{Map, Value};

use super::DiffusionError;
use super::sampler::{SAMPLERS, SamplerInfo};
use super::scheduler_config::EDM;

/// One sentence for each wish that is not fulfilled: what was asked, what is done.
/// `sampler` is what stands for the file's class.
///
/// # Errors
/// If the model paints in a way that no sampler here can follow.
pub(super) fn unfulfilled(
    keys: &Map<String, Value>,
    sampler: &SamplerInfo,
) -> Result<Vec<String>, DiffusionError> {
    let text = |key: &str| keys.get(key).and_then(Value::as_str);
    let class = text("_class_name").unwrap_or_default();
    if class.starts_with("FlowMatch") || keys.get("use_flow_sigmas") == Some(&Value::Bool(true)) {
        let asks = if class.is_empty() {
            "use_flow_sigmas"
        } else {
            class
        };
        return Err(DiffusionError::Scheduler(format!(
            "{asks} asks for flow matching, which is not supported; models of noise or velocity prediction are"
        )));
    }
    let mut sentences = Vec::new();
    let mut tell = |asked: String, done: &str| {
        sentences.push(format!(
            "the model\u{2019}s scheduler asks for {asked}, which is not supported; {done}, so pictures may differ"
        ));
    };
    // diffusers' own class is the first of a sampler's; that of EDM is the same method.
    let is_edm = class.starts_with(EDM) && sampler.class_names.contains(&class);
    let is_own = sampler.class_names.first() == Some(&class) || is_edm;
    if !class.is_empty() && !is_own {
        tell(
            class.to_owned(),
            &format!("{} paints unless another sampler is chosen", sampler.label),
        );
    } else if class.ends_with("DPMSolverMultistepScheduler") {
        let own = sampler.algorithm_type.unwrap_or_default();
        if let Some(other) = text("algorithm_type").filter(|kind| *kind != own) {
            tell(
                format!("algorithm_type {other}"),
                &format!("it is solved by {own}"),
            );
        }
        let order = keys.get("solver_order").and_then(Value::as_u64);
        let highest = match own {
            "dpmsolver++" => 3,
            _ => 2,
        };
        if let Some(order) = order.filter(|order| *order > highest) {
            let done = format!("it is solved in order {highest}");
            tell(format!("solver_order {order}"), &done);
        }
    } else if class == "UniPCMultistepScheduler"
        && keys.get("predict_x0") == Some(&Value::Bool(false))
    {
        tell(
            "predict_x0 false".to_owned(),
            "the clean sample is predicted",
        );
    }
    let is_on = |key: &str| keys.get(key) == Some(&Value::Bool(true));
    // Classes of ours that do not know of them leave them out in diffusers too.
    if is_on("thresholding") && !is_own && !sampler.reads.thresholds {
        tell(
            "dynamic thresholds of predicted samples (thresholding)".to_owned(),
            "they are left out",
        );
    }
    if is_on("use_lu_lambdas") {
        tell(
            "the noise levels of Lu et al. 2022 (use_lu_lambdas)".to_owned(),
            "they are left out",
        );
    }
    if let Some(other) = text("timestep_type").filter(|value| *value != "discrete") {
        tell(
            format!("timestep_type {other}"),
            "it gets discrete timesteps",
        );
    }
    Ok(sentences)
}

/// What is told of a model without the file.
pub(super) fn without_file() -> String {
    "the model has no scheduler_config.json; the noise schedule of Stable Diffusion 1 and noise prediction are assumed, \
     so a model that predicts velocity paints nothing but noise"
        .to_owned()
}

/// The sampler that stands for a class of diffusers: its own, of several that with its
/// algorithm, else the first one.
pub(super) fn sampler_of_class(
    class: Option<&str>,
    algorithm: Option<&str>,
) -> &'static SamplerInfo {
    let of_class = |info: &&&SamplerInfo| class.is_some_and(|it| info.class_names.contains(&it));
    let mut samplers = SAMPLERS.iter().filter(of_class);
    let exact = samplers
        .clone()
        .find(|info| info.algorithm_type.is_none() || info.algorithm_type == algorithm);
    exact.or_else(|| samplers.next()).unwrap_or(&SAMPLERS[0])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::diffusion::SchedulerConfig;

    fn told(json: &serde_json::Value) -> String {
        SchedulerConfig::from_json(json)
            .expect("it can be painted")
            .warnings
            .join("\n")
    }

    #[test]
    fn what_changes_the_picture_is_told() {
        let other = json!({"_class_name": "SASolverScheduler", "algorithm_type": "data_prediction",
            "prediction_type": "v_prediction", "solver_type": "logrho"});
        let text = told(&other);
        assert!(
            text.contains("SASolverScheduler") && text.contains("Euler paints"),
            "{text}"
        );
        let old = json!({"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver"});
        let text = told(&old);
        assert!(
            text.contains("sde-dpmsolver,") && text.contains("by dpmsolver++"),
            "{text}"
        );
        let text = told(&json!({"_class_name": "UniPCMultistepScheduler", "predict_x0": false}));
        assert!(text.contains("predict_x0"), "{text}");
        let text = told(
            &json!({"_class_name": "DPMSolverMultistepScheduler", "solver_order": 3,
            "algorithm_type": "sde-dpmsolver++", "timestep_type": "continuous", "use_lu_lambdas": true}),
        );
        assert_eq!(text.lines().count(), 3, "{text}");
        // Euler's method, which stands for it, has no thresholds.
        let text = told(&json!({"_class_name": "SASolverScheduler", "thresholding": true}));
        assert!(text.contains("(thresholding)"), "{text}");
        assert!(told(&json!(null)).contains("no scheduler_config.json"));
    }

    #[test]
    fn what_is_fulfilled_is_not_told() {
        for class in [
            "DDIMScheduler",
            "DPMSolverMultistepScheduler",
            "PNDMScheduler",
            "EulerDiscreteScheduler",
            "UniPCMultistepScheduler",
            "LCMScheduler",
            "DEISMultistepScheduler",
            "EDMEulerScheduler",
            "EDMDPMSolverMultistepScheduler",
        ] {
            let json = json!({"_class_name": class, "thresholding": true, "use_exponential_sigmas": true,
                "interpolation_type": "log_linear", "solver_order": 3});
            assert_eq!(told(&json), "", "{class}");
        }
        assert_eq!(told(&json!({"prediction_type": "epsilon"})), "");
        let sde = json!({"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++"});
        assert_eq!(told(&sde), "");
        let config = SchedulerConfig::from_json(&sde).expect("it can be painted");
        assert_eq!(config.default_sampler().id, "dpmpp-2m-sde");
        let third = json!({"_class_name": "DPMSolverMultistepScheduler", "solver_order": 3});
        assert_eq!(told(&third), "");
    }

    #[test]
    fn flow_matching_is_refused() {
        for json in [
            json!({"_class_name": "FlowMatchEulerDiscreteScheduler", "prediction_type": "v_prediction"}),
            json!({"_class_name": "DPMSolverMultistepScheduler", "use_flow_sigmas": true}),
        ] {
            let error = SchedulerConfig::from_json(&json)
                .expect_err("not ours")
                .to_string();
            assert!(error.contains("flow matching"), "{error}");
        }
    }
}
