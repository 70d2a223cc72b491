// Three decoded planes in [-1, 1] to a picture.
// CPU twin: tests/gpu_share.rs.

struct Planes {
    // Width and height of a plane; zw are unused.
    size_px: vec4<u32>,
}

@group(0) @binding(0) var<uniform> info: Planes;
@group(0) @binding(1) var<storage, read> planes: array<f32>;

@vertex
fn vs_main(@builtin(vertex_index) vertex: u32) -> @builtin(position) vec4<f32> {
    return covering_triangle(vertex);
}

@fragment
fn fs_main(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let at = u32(position.y) * info.size_px.x + u32(position.x);
    let plane = info.size_px.x * info.size_px.y;
    let signed = vec3(planes[at], planes[at + plane], planes[at + 2u * plane]);
    return vec4(unit_from_signed(signed), 1.0);
}
