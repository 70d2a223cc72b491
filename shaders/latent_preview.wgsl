// Four latent planes to a picture by a linear map, one pixel for each latent.
// CPU twin: gpu::preview_math::LatentToRgb.

struct LatentMap {
    // A row for each of red, green and blue.
    red: vec4<f32>,
    green: vec4<f32>,
    blue: vec4<f32>,
    // What is added; w is unused.
    bias: vec4<f32>,
    // Width and height of a plane; zw are unused.
    size_px: vec4<u32>,
}

@group(0) @binding(0) var<uniform> map: LatentMap;
@group(0) @binding(1) var<storage, read> planes: array<f32>;

@vertex
fn vs_main(@builtin(vertex_index) vertex: u32) -> @builtin(position) vec4<f32> {
    return covering_triangle(vertex);
}

@fragment
fn fs_main(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let at = u32(position.y) * map.size_px.x + u32(position.x);
    let plane = map.size_px.x * map.size_px.y;
    let latent = vec4(planes[at], planes[at + plane], planes[at + 2u * plane], planes[at + 3u * plane]);
    let signed = vec3(dot(map.red, latent), dot(map.green, latent), dot(map.blue, latent));
    return vec4(unit_from_signed(signed + map.bias.xyz), 1.0);
}
