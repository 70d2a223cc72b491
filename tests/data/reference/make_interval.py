"""Guidance in an interval of the steps, by diffusers' pipelines and their callback.

Run in this folder with what make_trajectories.py needs.
"""

from make_trajectories import pipeline_reference

# Guidance multiplies what f32 rounds off: with DDIM diffusers differs from itself in f64 by 2e-4 of the deviation at 6.5.
PIPELINES = dict(width=104, height=56, factor=4, cases=[
    dict(sampler="ddim", interval=[0.25, 1.0], guidance=3.0),
    dict(sampler="dpmpp-2m", interval=[0.2, 0.75]),
    dict(sampler="euler-a", interval=[0.0, 0.5]),
    dict(sampler="heun", interval=[0.25, 0.75]),
    dict(sampler="pndm", interval=[0.3, 0.8]),
    dict(sampler="ddim", interval=[0.25, 0.75], rescale=0.7, guidance=3.0),
    dict(sampler="euler", interval=[0.6, 0.6]),
    dict(kind="image", sampler="euler", strength=0.6, interval=[0.5, 0.9]),
    dict(kind="image", sampler="ddim", strength=0.75, interval=[0.15, 1.0]),
])

if __name__ == "__main__":
    pipeline_reference("sd1-tiny", PIPELINES, "interval_trajectories")
