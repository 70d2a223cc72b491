#!/usr/bin/env python3
"""Makes orders.safetensors: DPM-Solver++ in its third order, as a scheduler_config.json may ask for it.

Run in this folder with what make_trajectories.py needs.
"""

from make_trajectories import SCHEDULES, SPACINGS, results


def cases():
    def case(steps, schedule="sd", karras=False, start=0, **config):
        return dict(sampler="dpmpp-2m", schedule=schedule, steps=steps, karras=karras, eta=0.0, start=start,
                    config=dict(solver_order=3, **config))

    for schedule in SCHEDULES:
        for spacing in SPACINGS:
            for prediction in ("epsilon", "v_prediction"):
                for steps in (1, 2, 3, 4, 14, 15, 25):
                    yield case(steps, schedule, timestep_spacing=spacing, prediction_type=prediction)
    yield case(20, karras=True)
    yield case(20, start=7)
    yield case(12, start=9)
    yield case(12, lower_order_final=False)
    yield case(12, final_sigmas_type="sigma_min")
    yield case(12, final_sigmas_type="sigma_min", lower_order_final=False)
    yield case(20, final_sigmas_type="sigma_min", euler_at_final=True)
    yield case(12, solver_type="heun")


if __name__ == "__main__":
    results("orders.safetensors", cases())
