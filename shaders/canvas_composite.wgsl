// Draws the canvas into the window's own target: the ground, each layer, a
// step of a running job, label maps, and the mask. One rectangle for each draw; the target
// blends premultiplied colours over each other in gamma space.

struct Draw {
    // Size of the part of the window that is drawn on, in screen pixels.
    viewport_px: vec2<f32>,
    // Top-left corner of the rectangle in it.
    origin_px: vec2<f32>,
    // Size of the rectangle in document pixels.
    size_px: vec2<f32>,
    // Size of the texture in texels, padding included.
    texture_px: vec2<f32>,
    // Texels in one document pixel.
    texels_per_px: vec2<f32>,
    // Screen pixels in one document pixel.
    zoom: f32,
    // The mip level to read.
    lod: f32,
    // 0 is invisible, 1 is full.
    opacity: f32,
    // One of the SAMPLING constants.
    sampling: u32,
    // 1 when the target expects linear light.
    target_is_linear: u32,
    // 1 when the mask texture limits what is drawn.
    is_masked: u32,
    // The colour of the mask.
    tint: vec4<f32>,
    // 1 when the borders of regions are drawn.
    is_outlined: u32,
    // One more than the stored class that stands out; 0 is none.
    isolated: u32,
}

const SAMPLING_LINEAR: u32 = 0u;
const SAMPLING_SHARP: u32 = 1u;
const SAMPLING_SMOOTH: u32 = 2u;

// Coverage at which the outline of the mask runs.
const OUTLINE_COVERAGE: f32 = 0.25;
// Opacity of the tint on a fully and on a barely covered pixel.
const TINT_FULL: f32 = 0.5;
const TINT_LEAST: f32 = 0.12;
// Width of the stripes of the tint and of the squares of the ground, in screen pixels.
const STRIPE_PX: f32 = 5.0;
const SQUARE_PX: f32 = 8.0;
const GROUND_DARK: f32 = 0.40;
const GROUND_LIGHT: f32 = 0.46;

@group(0) @binding(0) var<uniform> draw: Draw;
@group(1) @binding(0) var color_texture: texture_2d<f32>;
@group(1) @binding(1) var mask_texture: texture_2d<f32>;
@group(1) @binding(2) var smooth_sampler: sampler;

struct Corner {
    @builtin(position) position: vec4<f32>,
    // In document pixels from the corner of the rectangle.
    @location(0) px: vec2<f32>,
}

@vertex
fn vs_main(@builtin(vertex_index) vertex: u32) -> Corner {
    let corner = vec2(f32(vertex & 1u), f32(vertex >> 1u));
    let screen = draw.origin_px + corner * draw.size_px * draw.zoom;
    let clip = screen / draw.viewport_px * vec2(2.0, -2.0) + vec2(-1.0, 1.0);
    return Corner(vec4(clip, 0.0, 1.0), corner * draw.size_px);
}

// A premultiplied colour as the target wants it.
fn output(color: vec4<f32>) -> vec4<f32> {
    if draw.target_is_linear == 1u {
        let straight = color.rgb / max(color.a, 1e-4);
        return vec4(linear_from_gamma(straight) * color.a, color.a);
    }
    return color;
}

// A texel position at which linear filtering gives hard texel edges that are
// one screen pixel wide.
fn sharpened(texel: vec2<f32>, screen_px_per_texel: vec2<f32>) -> vec2<f32> {
    let seam = floor(texel + vec2(0.5));
    return seam + clamp((texel - seam) * screen_px_per_texel, vec2(-0.5), vec2(0.5));
}

// Cubic B-spline filtering from four linear samples (Sigg and Hadwiger, GPU
// Gems 2, chapter 20): smooth without the creases of linear filtering.
fn smooth_color(texel: vec2<f32>) -> vec4<f32> {
    let base = floor(texel - vec2(0.5)) + vec2(0.5);
    let f = texel - base;
    let w0 = (1.0 - f) * (1.0 - f) * (1.0 - f) / 6.0;
    let w1 = (4.0 - 6.0 * f * f + 3.0 * f * f * f) / 6.0;
    let w3 = f * f * f / 6.0;
    let w2 = 1.0 - w0 - w1 - w3;
    let near_weight = w0 + w1;
    let far_weight = w2 + w3;
    let near_at = (base - 1.0 + w1 / near_weight) / draw.texture_px;
    let far_at = (base + 1.0 + w3 / far_weight) / draw.texture_px;
    let top = textureSampleLevel(color_texture, smooth_sampler, near_at, 0.0) * near_weight.x
        + textureSampleLevel(color_texture, smooth_sampler, vec2(far_at.x, near_at.y), 0.0) * far_weight.x;
    let bottom = textureSampleLevel(color_texture, smooth_sampler, vec2(near_at.x, far_at.y), 0.0) * near_weight.x
        + textureSampleLevel(color_texture, smooth_sampler, far_at, 0.0) * far_weight.x;
    return top * near_weight.y + bottom * far_weight.y;
}

fn color_at(px: vec2<f32>) -> vec4<f32> {
    var texel = px * draw.texels_per_px;
    if draw.sampling == SAMPLING_SMOOTH {
        return smooth_color(texel);
    }
    if draw.sampling == SAMPLING_SHARP {
        texel = sharpened(texel, draw.zoom / draw.texels_per_px);
    }
    return textureSampleLevel(color_texture, smooth_sampler, texel / draw.texture_px, draw.lod);
}

// The squares that show through where the picture is clear.
@fragment
fn fs_ground(corner: Corner) -> @location(0) vec4<f32> {
    let square = floor((corner.position.xy - floor(draw.origin_px)) / SQUARE_PX);
    let is_light = fract((square.x + square.y) * 0.5) > 0.25;
    return output(vec4(vec3(select(GROUND_DARK, GROUND_LIGHT, is_light)), 1.0));
}

@fragment
fn fs_layer(corner: Corner) -> @location(0) vec4<f32> {
    return output(color_at(corner.px) * draw.opacity);
}

// A step of a running job. Its mask has the size of the rectangle.
@fragment
fn fs_live(corner: Corner) -> @location(0) vec4<f32> {
    var amount = draw.opacity;
    if draw.is_masked == 1u {
        let at = corner.px / draw.size_px;
        amount *= textureSampleLevel(mask_texture, smooth_sampler, at, 0.0).r;
    }
    return output(color_at(corner.px) * amount);
}

fn coverage_at(px: vec2<f32>) -> f32 {
    var texel = px * draw.texels_per_px;
    if draw.sampling == SAMPLING_SHARP {
        texel = sharpened(texel, draw.zoom / draw.texels_per_px);
    }
    return textureSampleLevel(mask_texture, smooth_sampler, texel / draw.texture_px, draw.lod).r;
}

// The mask: a striped tint, so that it shows on a picture of its own colour
// too, within an outline that is light inside and dark outside.
@fragment
fn fs_mask(corner: Corner) -> @location(0) vec4<f32> {
    // A texel of the next coarser level tells whether all around is bare or
    // covered, which spares most pixels the search for the outline.
    let level = min(ceil(draw.lod) + 1.0, f32(textureNumLevels(mask_texture) - 1u));
    let at = corner.px * draw.texels_per_px / draw.texture_px;
    let around = textureSampleLevel(mask_texture, smooth_sampler, at, level).r;
    if around <= 0.0 {
        return vec4(0.0);
    }
    let here = coverage_at(corner.px);
    let reach = 1.0 / draw.zoom;
    var least = here;
    var most = here;
    for (var i = 0u; i < 8u && around < 1.0; i++) {
        let angle = f32(i) * 0.78539816;
        let there = coverage_at(corner.px + vec2(cos(angle), sin(angle)) * reach);
        least = min(least, there);
        most = max(most, there);
    }
    if here >= OUTLINE_COVERAGE && least < OUTLINE_COVERAGE {
        return output(vec4(1.0, 1.0, 1.0, 1.0) * 0.9);
    }
    if here < OUTLINE_COVERAGE && most >= OUTLINE_COVERAGE {
        return output(vec4(0.0, 0.0, 0.0, 0.75));
    }
    if here <= 0.0 {
        return vec4(0.0);
    }
    let along = fract((corner.position.x + corner.position.y) / (2.0 * STRIPE_PX));
    let stripe = select(1.0, 0.72, along < 0.5);
    let covered = mix(TINT_LEAST, TINT_FULL, here) * smoothstep(0.0, 0.02, here);
    let alpha = covered * stripe * draw.opacity;
    return output(vec4(draw.tint.rgb * alpha, alpha));
}

// Opacity of the classes that step back for an isolated one, and of what has no
// class when that is isolated.
const ASIDE: f32 = 0.18;
const NOTHING_SHOWN: f32 = 0.75;

// The class stored at a position: the nearest texel, never one between two.
fn class_at(px: vec2<f32>, level: i32) -> u32 {
    let size = vec2<i32>(textureDimensions(mask_texture, level));
    let scale = draw.texels_per_px / f32(1u << u32(level));
    let texel = clamp(vec2<i32>(floor(px * scale)), vec2(0), size - 1);
    return u32(round(textureLoad(mask_texture, texel, level).r * 255.0));
}

fn stripes(position: vec2<f32>) -> bool {
    return fract((position.x + position.y) / (2.0 * STRIPE_PX)) < 0.5;
}

// A label map: each class in its colour of the palette, which is the colour
// texture, one texel a stored class. A class without a colour is striped.
@fragment
fn fs_classes(corner: Corner) -> @location(0) vec4<f32> {
    let last = i32(textureNumLevels(mask_texture)) - 1;
    let level = clamp(i32(floor(draw.lod + 0.5)), 0, last);
    let here = class_at(corner.px, level);
    let is_apart = draw.isolated != 0u && here + 1u != draw.isolated;
    if draw.is_outlined == 1u {
        let reach = 1.0 / draw.zoom;
        var least = here;
        var most = here;
        var touches_isolated = !is_apart;
        for (var i = 0u; i < 4u; i++) {
            let angle = f32(i) * 1.57079633;
            let there = class_at(corner.px + vec2(cos(angle), sin(angle)) * reach, level);
            least = min(least, there);
            most = max(most, there);
            touches_isolated = touches_isolated || there + 1u == draw.isolated;
        }
        if least != most && (draw.isolated == 0u || touches_isolated) {
            // Light on the side of the later class, dark on the other.
            let shade = select(0.0, 1.0, here > least);
            return output(vec4(vec3(shade), 1.0) * 0.7);
        }
    }
    if here == 0u {
        let is_shown = draw.isolated == 1u && stripes(corner.position.xy);
        return output(vec4(1.0) * select(0.0, NOTHING_SHOWN * draw.opacity, is_shown));
    }
    var color = textureLoad(color_texture, vec2(i32(here), 0), 0);
    if color.a == 0.0 {
        color = select(vec4(0.1, 0.1, 0.1, 1.0), vec4(1.0, 0.1, 0.9, 1.0), stripes(corner.position.xy));
    }
    let alpha = draw.opacity * select(1.0, ASIDE, is_apart);
    return output(vec4(color.rgb * alpha, alpha));
}
