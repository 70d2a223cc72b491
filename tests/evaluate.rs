//! The evaluation of a whole model: every question is counted, and twice the
//! same run gives twice the same figures.

use std::ops::ControlFlow;
use std::path::Path;

use velatura::diffusion::LatentDiffusion;
use velatura::evaluate::{
    EvaluateError, EvaluationPlan, EvaluationReport, Instruments, Judge, PictureKind, Question,
    Task, evaluate,
};
use velatura::model::ModelFolder;
use velatura::scenes::SceneSource;

const PROMPTS: u32 = 6;
const SEED: u64 = 77;

fn model() -> LatentDiffusion {
    let folder = "tests/data/reference/inpaint-tiny";
    let folder = ModelFolder::open(folder).expect("a model");
    LatentDiffusion::load(&folder, &burn::tensor::Device::flex()).expect("its networks")
}

/// The judge that comes with the program.
fn judge() -> Judge {
    Judge::open(Path::new("assets/judge")).expect("a judge")
}

/// The judge alone.
fn eyes(judge: &Judge) -> Instruments<'_> {
    Instruments {
        judge,
        upscaler: None,
    }
}

fn plan() -> EvaluationPlan {
    EvaluationPlan {
        tasks: Vec::new(),
        count: PROMPTS,
        seed: SEED,
        sampler: None,
        steps: 2,
        guidance_scale: 3.0,
        guidance_interval: [0.0, 1.0],
        boxes_are_regions: false,
        layout_bias: velatura::recipe::LAYOUT_BIAS,
        places_boxes: false,
    }
}

/// The report, and how many pictures of each kind were painted.
fn run(model: &LatentDiffusion, judge: &Judge) -> (EvaluationReport, [u32; 2]) {
    let device = burn::tensor::Device::flex();
    let side = model.manifest().resolution_px;
    let source = SceneSource::new(side).expect("a size that scenes have");
    let mut kinds = [0; 2];
    let report = evaluate(model, &device, eyes(judge), &plan(), &mut |event| {
        let has_own_caption = [Task::HeldOut, Task::Numbers, Task::Sides];
        if event.kind.task() == Task::Sides {
            assert!(event.caption.contains(" to the "), "{}", event.caption);
        }
        if event.kind.task() == Task::FewSteps {
            return ControlFlow::Continue(());
        }
        if has_own_caption.contains(&event.kind.task()) {
            assert!(!event.caption.is_empty() && event.seconds > 0.0);
            return ControlFlow::Continue(());
        }
        let scene = source.scene(SEED, u64::from(event.index));
        assert_eq!(event.caption, scene.caption);
        assert_eq!(event.picture.dimensions(), (side, side));
        let inpaints = event.kind.task() == Task::Inpaint;
        kinds[usize::from(inpaints)] += 1;
        if inpaints {
            // Far from the object nothing was touched.
            let pairs = event.picture.pixels().zip(scene.image.pixels());
            assert!(pairs.filter(|(new, old)| new == old).count() > 20);
        }
        ControlFlow::Continue(())
    });
    (report.expect("a report"), kinds)
}

#[test]
fn an_evaluation_counts_every_question_and_can_be_repeated() {
    let (model, judge) = (model(), judge());
    let (report, [from_text, inpainted]) = run(&model, &judge);
    assert_eq!(from_text, PROMPTS);
    assert!(inpainted > 0 && inpainted <= PROMPTS);
    assert!(report.reconstruction.psnr_db.is_finite());
    let asked = |question: Question| {
        let rows = report.text_to_image.iter();
        rows.filter(|row| row.question == question)
            .map(|row| row.painted.asked)
            .sum::<u32>()
    };
    // A scene is a landscape with a time and a place, or a sticker on a background.
    assert_eq!(asked(Question::Time), asked(Question::Place));
    assert_eq!(asked(Question::Time) + asked(Question::Background), PROMPTS);
    let of_text = report
        .text_to_image
        .iter()
        .map(|row| (row.painted, row.real));
    let of_holes = report.inpainting.iter().map(|row| (row.painted, row.real));
    for (painted, real) in of_text.chain(of_holes) {
        assert_eq!(painted.asked, real.asked);
        assert!(painted.right <= painted.asked);
    }
    assert_eq!(report.inpainting[0].painted.asked, inpainted);
    // The judge is right about real scenes, and not about what a network of random
    // weights paints.
    let total = |share: fn(&velatura::evaluate::Row) -> velatura::evaluate::Share| {
        let rows = report.text_to_image.iter().map(share);
        rows.fold((0, 0), |(right, asked), share| {
            (right + share.right, asked + share.asked)
        })
    };
    let (right, asked) = total(|row| row.real);
    assert!(5 * right >= 4 * asked, "{right} of {asked}");
    let (painted, _) = total(|row| row.painted);
    assert!(2 * painted < right, "{painted} of {asked}");
    let combinations = report.combinations.expect("combinations");
    assert_eq!(combinations.held_out.together.asked, PROMPTS);
    assert_eq!(combinations.familiar.objects.asked, PROMPTS);
    let asked: Vec<u32> = report.numbers.iter().map(|row| row.real.asked).collect();
    assert_eq!(asked, [2, 2, 1, 1, 4]);
    assert_eq!(report.sides.expect("sides").painted.asked, PROMPTS);
    let steps: Vec<&str> = report.few_steps.iter().map(|row| row.name).collect();
    assert_eq!(steps, ["objects in 4 steps", "objects in 8 steps"]);
    let frechet = report.frechet.expect("a distance");
    assert!(frechet.painted > frechet.real, "{frechet:?}");
    let (again, _) = run(&model, &judge);
    assert_eq!(report, again);
}

#[test]
fn an_evaluation_can_be_stopped_and_needs_two_captions() {
    let (model, judge) = (model(), judge());
    let device = burn::tensor::Device::flex();
    let stop = evaluate(&model, &device, eyes(&judge), &plan(), &mut |_| {
        ControlFlow::Break(())
    });
    assert!(matches!(stop, Err(EvaluateError::Stopped)));
    let one = EvaluationPlan { count: 1, ..plan() };
    let error = evaluate(&model, &device, eyes(&judge), &one, &mut |_| {
        ControlFlow::Continue(())
    });
    assert!(matches!(error, Err(EvaluateError::TooFew)));
    for guidance_scale in [f32::NAN, f32::INFINITY, -1.0] {
        let senseless = EvaluationPlan {
            guidance_scale,
            ..plan()
        };
        let error = senseless.validate().expect_err("out of range");
        assert!(error.to_string().contains("guidance"), "{error}");
    }
}

#[test]
fn a_model_that_takes_boxes_and_maps_is_asked_for_all_of_it() {
    let device = burn::tensor::Device::flex();
    let folder = ModelFolder::open("tests/data/reference/joint-tiny").expect("a model");
    let model = LatentDiffusion::load(&folder, &device).expect("its networks");
    let judge = judge();
    let all = EvaluationPlan {
        count: 4,
        steps: 1,
        ..plan()
    };
    let mut kinds = Vec::new();
    let report = evaluate(&model, &device, eyes(&judge), &all, &mut |event| {
        kinds.push(event.kind.slug());
        assert!(event.done <= event.total);
        ControlFlow::Continue(())
    });
    let report = report.expect("a report");
    for kind in PictureKind::ALL {
        let count = kinds.iter().filter(|slug| **slug == kind.slug()).count();
        assert!(
            count == 4 || kind == PictureKind::Inpainting,
            "{kind}: {count}"
        );
    }
    // Boxes with and without text, label maps with and without text.
    assert_eq!(report.conditions.len(), 2 * 3 + 2 * 4);
    for row in &report.conditions {
        assert!(row.real > row.painted && row.real <= 1.0, "{row:?}");
    }
    let [model_s, bicubic, autoencoder, real] = report.super_resolution[..] else {
        panic!("{:?}", report.super_resolution);
    };
    assert!(bicubic.psnr_db > model_s.psnr_db, "{bicubic:?}");
    assert_eq!((autoencoder.by, real.psnr_db), ("autoencoder alone", None));
    let json = serde_json::to_value(&report).expect("plain data");
    assert_eq!(json["conditions"][0]["told"], "boxes");
    assert_eq!(json["conditions"][0]["measure"], "objects");
    assert_eq!(json["conditions"][1]["measure"], "boxes");
    assert_eq!(json["conditions"][2]["measure"], "boxes, neighbours apart");
    assert!(json["text_to_image"].is_array() && json["prompts"] == 4);

    // One task alone, and one that another model cannot be asked for.
    let one = EvaluationPlan {
        tasks: vec![Task::Semantic],
        ..all.clone()
    };
    let report = evaluate(&model, &device, eyes(&judge), &one, &mut |event| {
        assert_eq!((event.kind.task(), event.total), (Task::Semantic, 12));
        ControlFlow::Continue(())
    });
    let report = report.expect("a report");
    assert_eq!(
        (report.text_to_image.len(), report.conditions.len()),
        (0, 8)
    );
    let other = ModelFolder::open("tests/data/reference/inpaint-tiny").expect("a model");
    let error = one.tasks_for(&other.manifest()).expect_err("no maps");
    assert!(error.to_string().contains("semantic"), "{error}");
    assert_eq!("super-resolution".parse(), Ok(Task::SuperResolution));
    assert!(
        "depth"
            .parse::<Task>()
            .is_err_and(|told| told.contains("inpaint"))
    );
}
