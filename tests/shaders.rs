//! Every shader parses and validates on its own, with what it shares.

use naga::valid::{Capabilities, ValidationFlags, Validator};
use velatura::gpu::shaders;
use wgpu::naga;

#[test]
fn shaders_are_valid() {
    for (name, source) in shaders::ALL {
        let module = naga::front::wgsl::parse_str(source)
            .unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(source)));
        // No capabilities: they must run on every device.
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
        if let Err(error) = validator.validate(&module) {
            panic!("{name}: {}", error.emit_to_string(source));
        }
    }
}

#[test]
fn every_shader_file_is_known() {
    for entry in std::fs::read_dir("shaders").unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "wgsl")
        {
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(
                shaders::ALL.iter().any(|(known, _)| *known == name),
                "{name} is not tested"
            );
        }
    }
}
