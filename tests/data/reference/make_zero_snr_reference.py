#!/usr/bin/env python3
"""Makes `zero_snr.safetensors`: runs of diffusers' Euler samplers that begin in pure noise, where the noise level is 4096 and
every bit of it is seen in the result.

Run in this folder, with what make_trajectories.py needs:

    ATEN_CPU_CAPABILITY=avx2 python3 make_zero_snr_reference.py
"""

from make_trajectories import results


def cases_of():
    for sampler in ("euler", "euler-a"):
        for schedule in ("sd", "linear"):
            for spacing in ("trailing", "linspace"):
                for prediction in ("v_prediction", "sample"):
                    for steps in (1, 2, 3, 4, 8, 20):
                        for karras in (False, True) if sampler == "euler" and steps > 1 else (False,):
                            yield dict(sampler=sampler, schedule=schedule, steps=steps, karras=karras, eta=0.0, start=0, config=dict(
                                rescale_betas_zero_snr=True, timestep_spacing=spacing, prediction_type=prediction))


if __name__ == "__main__":
    results("zero_snr.safetensors", cases_of())
