//! `velatura autoencoder`: pictures to latents and back.

use std::path::Path;

use super::{assert_fails, copy, events, of_kind, reference, velatura};

fn tensor(path: &Path, name: &str) -> (Vec<usize>, Vec<f32>) {
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let view = file.tensor(name).unwrap();
    assert_eq!(view.dtype(), safetensors::Dtype::F32);
    let numbers = view.data().chunks_exact(4);
    let numbers = numbers.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
    (view.shape().to_vec(), numbers.collect())
}

#[test]
fn an_autoencoder_encodes_and_decodes_without_a_denoiser() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    let picture =
        image::RgbImage::from_fn(32, 16, |x, y| image::Rgb([x as u8 * 8, y as u8 * 15, 128]));
    picture.save(folder.join("a.png")).unwrap();
    // One that is whole but for a denoiser that nobody can open.
    let foreign = folder.join("foreign");
    copy(
        Path::new(&reference("first-stages/vq-f8")),
        &foreign.join("vqvae"),
    );
    std::fs::create_dir(foreign.join("unet")).unwrap();
    std::fs::write(
        foreign.join("unet/config.json"),
        r#"{"_class_name": "OtherModel"}"#,
    )
    .unwrap();
    let cases = [
        (reference("first-stages/kl-f2"), vec![1, 2, 8, 16]),
        (
            reference("first-stages/vq-f8/diffusion_pytorch_model.safetensors"),
            vec![1, 3, 2, 4],
        ),
        (reference("sd1-tiny"), vec![1, 4, 4, 8]),
        (foreign.to_str().unwrap().to_owned(), vec![1, 3, 2, 4]),
        ("storybook".to_owned(), vec![1, 16, 2, 4]),
    ];
    for (model, shape) in &cases {
        let options = [
            "autoencoder",
            "encode",
            "a.png",
            "--model",
            model,
            "--out",
            "z.safetensors",
            "--device",
            "cpu",
            "--json",
        ];
        let told = events(&velatura(folder, &options));
        assert_eq!(
            of_kind(&told, "latents")[0]["shape"],
            serde_json::json!(shape)
        );
        let (found, numbers) = tensor(&folder.join("z.safetensors"), "latents");
        assert_eq!(&found, shape, "{model}");
        assert!(numbers.iter().all(|number| number.is_finite()));
        let options = [
            "autoencoder",
            "decode",
            "z.safetensors",
            "--model",
            model,
            "--output",
            "b.png",
            "--device",
            "cpu",
            "--json",
        ];
        let told = events(&velatura(folder, &options));
        assert_eq!(of_kind(&told, "picture")[0]["width_px"], 32);
        let again = image::open(folder.join("b.png")).unwrap().into_rgb8();
        assert_eq!(again.dimensions(), (32, 16), "{model}");
        if model == "storybook" {
            let pairs = again.as_raw().iter().zip(picture.as_raw());
            let off: f64 = pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
            let off = off / again.as_raw().len() as f64;
            assert!(off < 25.0, "{off} of 255 in the mean");
        }
    }
}

#[test]
fn what_cannot_be_encoded_or_decoded_is_told_in_one_sentence() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    image::RgbImage::new(30, 16)
        .save(folder.join("a.png"))
        .unwrap();
    image::RgbImage::new(16, 16)
        .save(folder.join("b.png"))
        .unwrap();
    let (kl, vq) = (
        reference("first-stages/kl-f2"),
        reference("first-stages/vq-f8"),
    );
    let run = |what, from, model: &str, to| {
        let options = [
            "autoencoder",
            what,
            from,
            "--model",
            model,
            "--out",
            to,
            "--device",
            "cpu",
        ];
        velatura(folder, &options)
    };
    assert_fails(
        &run("encode", "a.png", &vq, "z.safetensors"),
        &["30 × 16", "24 × 16"],
    );
    assert_fails(
        &run("encode", "b.png", &vq, "z.png"),
        &["z.png", ".safetensors"],
    );
    assert_fails(
        &run("encode", "none.png", &vq, "z.safetensors"),
        &["none.png"],
    );
    assert_fails(
        &run("encode", "b.png", "nobody", "z.safetensors"),
        &["nobody"],
    );
    let lone = format!("{}/reference.safetensors", reference("sd1-tiny/unet"));
    assert_fails(
        &run("encode", "b.png", &lone, "z.safetensors"),
        &["reference"],
    );
    let other = reference("sd1-tiny/unet/diffusion_pytorch_model.safetensors");
    assert_fails(
        &run("encode", "b.png", &other, "z.safetensors"),
        &["denoiser of a model alone"],
    );
    let unet = reference("sd1-tiny/unet");
    assert_fails(
        &run("encode", "b.png", &unet, "z.safetensors"),
        &["no autoencoder"],
    );
    assert!(!folder.join("z.safetensors").exists());
    events(&velatura(
        folder,
        &[
            "autoencoder",
            "encode",
            "b.png",
            "--model",
            &kl,
            "--out",
            "z.safetensors",
            "--device",
            "cpu",
            "--json",
        ],
    ));
    assert_fails(
        &run("decode", "z.safetensors", &vq, "c.png"),
        &["2 channels", "3"],
    );
    assert_fails(&run("decode", "z.safetensors", &kl, "c.gif"), &["c.gif"]);
    assert_fails(
        &run("decode", "b.png", &kl, "c.png"),
        &["b.png", "safetensors"],
    );
    let weights = format!("{kl}/diffusion_pytorch_model.safetensors");
    assert_fails(
        &run("decode", &weights, &kl, "c.png"),
        &["no tensor", "latents"],
    );
    assert!(!folder.join("c.png").exists());
}
