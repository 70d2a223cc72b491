//! What checkpoints hold beside their weights: buffers of the schedule, positions,
//! counters, losses.

/// Buffers by their whole names.
const BUFFERS: [&str; 30] = [
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
    "lvlb_weights",
    "logvar",
    "scale_factor",
    "cond_ids",
    "ddim_sigmas",
    "ddim_alphas",
    "ddim_alphas_prev",
    "ddim_sqrt_one_minus_alphas",
    "denoiser.sigmas",
    "denoiser.log_sigmas",
    "model_ema.decay",
    "model_ema.num_updates",
    "v_pred",
    "ztsnr",
    "edm_mean",
    "edm_std",
    "edm_vpred.sigma_max",
    "edm_vpred.sigma_min",
];

/// Whether a name stands for nothing that a network is made of.
pub(in crate::model) fn is_leftover(name: &str) -> bool {
    BUFFERS.contains(&name)
        || name.ends_with("position_ids")
        || name.starts_with("loss.")
        || name.contains(".loss.")
        // Averages of a first stage that was trained with them keep counters too.
        || (name.starts_with("model_ema.") && (name.ends_with("decay") || name.ends_with("num_updates")))
}
