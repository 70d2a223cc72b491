// What all our shaders know about colour. Textures and targets of the window
// hold sRGB values as they are (gamma space), as egui's own do.

// The linear light of an sRGB value (IEC 61966-2-1).
fn linear_from_gamma(srgb: vec3<f32>) -> vec3<f32> {
    let low = srgb / 12.92;
    let high = pow((srgb + vec3(0.055)) / 1.055, vec3(2.4));
    return select(high, low, srgb < vec3(0.04045));
}

// From the range [-1, 1] of an autoencoder to [0, 1].
fn unit_from_signed(value: vec3<f32>) -> vec3<f32> {
    return clamp(value * 0.5 + vec3(0.5), vec3(0.0), vec3(1.0));
}

// A triangle that covers the whole target; vertex 0, 1 and 2.
fn covering_triangle(vertex: u32) -> vec4<f32> {
    let corner = vec2(f32((vertex << 1u) & 2u), f32(vertex & 2u));
    return vec4(corner * 2.0 - vec2(1.0), 0.0, 1.0);
}
