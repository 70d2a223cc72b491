#!/usr/bin/env python3
"""Makes deis.safetensors: DEIS by diffusers' DEISMultistepScheduler.

Run in this folder with what make_trajectories.py needs.
"""

from diffusers import DEISMultistepScheduler
from make_trajectories import SAMPLERS, SCHEDULES, SPACINGS, SPREADS, results, run_seeded

SAMPLERS["deis"] = DEISMultistepScheduler


def cases():
    def case(steps, schedule="sd", karras=False, start=0, **config):
        return dict(sampler="deis", schedule=schedule, steps=steps, karras=karras, eta=0.0, start=start, config=config)

    for order in (1, 2, 3):
        for schedule in SCHEDULES:
            for spacing in SPACINGS:
                for steps in (1, 2, 4, 14, 20):
                    yield case(steps, schedule, timestep_spacing=spacing, solver_order=order)
        yield case(12, solver_order=order, prediction_type="v_prediction")
        yield case(12, solver_order=order, prediction_type="sample")
        yield case(12, karras=True, solver_order=order)
        yield case(20, karras=True, solver_order=order)
        yield case(20, start=7, solver_order=order)
        yield case(12, lower_order_final=False, solver_order=order)
        for spread in SPREADS:
            # Weights of the third order are differences of nearly equal numbers there, in f32.
            if (spread, order) != ("beta", 3):
                yield dict(case(12, solver_order=order), spread=spread)
        yield case(12, thresholding=True, sample_max_value=1.5, solver_order=order)


def run(case, noise, clean):
    spread = SPREADS.get(case.get("spread"))
    config = {**case["config"], **({spread: True} if spread else {})}
    return run_seeded({**case, "config": config}, noise, clean)


if __name__ == "__main__":
    results("deis.safetensors", cases(), run)
