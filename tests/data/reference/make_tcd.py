#!/usr/bin/env python3
"""Makes tcd.safetensors: trajectory consistency sampling by diffusers' TCDScheduler.

Run in this folder with what make_trajectories.py needs.
"""

from diffusers import TCDScheduler
from make_trajectories import SCHEDULES, results, seeded, toy_model


def cases():
    def case(steps, schedule="sd", eta=0.0, start=0, **config):
        return dict(sampler="tcd", schedule=schedule, steps=steps, karras=False, eta=eta, start=start, config=config)

    for schedule in SCHEDULES:
        for eta in (0.0, 0.3, 1.0):
            for prediction in ("epsilon", "v_prediction", "sample"):
                for steps in (1, 2, 4, 7, 20):
                    yield case(steps, schedule, eta, prediction_type=prediction)
    yield case(8, eta=0.3, start=3)
    yield case(8, eta=0.3, original_inference_steps=25)
    yield case(8, eta=0.3, rescale_betas_zero_snr=True, prediction_type="v_prediction")
    # It knows neither.
    yield case(8, eta=0.3, clip_sample=True, thresholding=True)


def run(case, noise, clean):
    scheduler = TCDScheduler.from_config({**SCHEDULES[case["schedule"]], **case["config"]})
    scheduler.set_timesteps(case["steps"])
    timesteps = scheduler.timesteps[case["start"]:]
    scheduler.set_begin_index(case["start"])
    x = scheduler.add_noise(clean, noise, timesteps[:1].repeat(len(noise))) if case["start"] else noise
    generator = seeded(7)
    for t in timesteps:
        x = scheduler.step(toy_model(x, float(t)), t, x, eta=case["eta"], generator=generator).prev_sample
    return x, scheduler.timesteps, float(scheduler.init_noise_sigma)


if __name__ == "__main__":
    results("tcd.safetensors", cases(), run)
