use super::*;
use crate::document::DocumentEditor;
use crate::geometry::{CanvasPoint, CanvasRect};
use crate::recipe::{InputSpec, ModelSource, SamplerId};

fn model(inputs: Vec<InputSpec>) -> ModelSummary {
    ModelSummary {
        source: ModelSource::Storybook,
        name: "Storybook".to_owned(),
        native_size_px: 128,
        size_multiple_px: 8,
        default_sampler: SamplerId::new("euler"),
        default_schedule: crate::recipe::Schedule::Uniform,
        default_steps: 20,
        default_guidance: 4.0,
        default_guidance_start: 0.0,
        inputs,
        places_boxes: false,
        knows_things: false,
        prompts: None,
        parameters: 1,
    }
}

fn layout() -> ModelSummary {
    model(vec![InputSpec::Layout {
        classes: ["bus", "cat"].map(str::to_owned).to_vec(),
        colours: ["red".to_owned()].to_vec(),
        max_boxes: 2,
        in_sequence: false,
    }])
}

fn document(boxes: &[(&str, [f32; 4], Option<&str>)]) -> Document {
    let boxes = boxes.iter().map(|(label, [x, y, w, h], colour)| {
        let corners = [CanvasPoint::new(*x, *y), CanvasPoint::new(x + w, y + h)];
        BoundingBox {
            colour: colour.map(str::to_owned),
            ..BoundingBox::from_corners(corners[0], corners[1], *label)
        }
    });
    let document = Document::blank([128, 128]).expect("an allowed size");
    let mut editor = DocumentEditor::new(document);
    editor
        .insert_layout("Import", "Layout", boxes.collect())
        .expect("added");
    editor.document().clone()
}

const USUAL: [f32; 4] = [10.0, 10.0, 40.0, 40.0];

#[test]
fn what_is_given_is_what_no_concern_leaves_out() {
    let document = document(&[
        ("Bus", USUAL, Some("red")),
        ("", USUAL, None),
        ("dragon", USUAL, None),
        ("cat", [200.0, 0.0, 10.0, 10.0], None),
        ("cat", [-20.0, 0.0, 24.0, 40.0], Some("teal")),
        ("cat", USUAL, None),
    ]);
    let report = Report::new(&document, Some(&layout()));
    let given: Vec<_> = report.given.iter().map(|it| it.class.as_str()).collect();
    assert_eq!(given, ["Bus", "cat"]);
    assert_eq!(report.given[0].colour.as_deref(), Some("red"));
    assert_eq!(report.given[1].colour, None);
    assert_eq!(report.given[1].rect, [-20.0, 0.0, 24.0, 40.0]);
    let kinds: Vec<_> = report.concerns.iter().map(|it| (it.1, it.2)).collect();
    assert_eq!(
        kinds,
        [
            (1, Concern::NoClass),
            (2, Concern::Unknown),
            (3, Concern::Outside),
            (4, Concern::Small),
            (4, Concern::OverEdge),
            (4, Concern::Colour),
            (5, Concern::TooMany),
        ]
    );
    assert_eq!(
        report.sentences,
        [
            "1 box has no class and is left out",
            "Storybook does not know “dragon”: its box is left out",
            "Storybook takes 2 boxes: the uppermost is left out",
            "1 box lies outside of the picture and is left out",
            "1 box is smaller than 8 × 8 px and may not be seen",
            "1 box reaches over the edge: only the part inside is painted",
            "Storybook has no colour “teal”: the box may have any",
        ]
    );
    assert_eq!(report.unknown, ["dragon"]);
}

#[test]
fn a_model_without_boxes_says_so_and_none_at_all_knows_everything() {
    let document = document(&[("dragon", USUAL, Some("teal")), ("bus", USUAL, None)]);
    let report = Report::new(&document, Some(&model(Vec::new())));
    assert!(report.given.is_empty());
    assert_eq!(
        report.sentences,
        ["Storybook takes no boxes: 2 boxes are left out"]
    );
    let report = Report::new(&document, None);
    assert_eq!((report.given.len(), report.sentences.len()), (2, 0));
}

#[test]
fn many_unknown_classes_are_not_all_told() {
    let words = ["a", "b", "c", "d", "e"].map(str::to_owned);
    assert_eq!(listed(&words[..1]), "“a”");
    assert_eq!(listed(&words[..2]), "“a” and “b”");
    assert_eq!(listed(&words), "“a”, “b”, “c” and 2 others");
}

#[test]
fn boxes_are_given_as_they_lie_in_the_frame() {
    let mut editor = DocumentEditor::new(Document::blank([320, 240]).expect("a size"));
    let boxes = [[100.0, 60.0, 20.0, 40.0], [10.0, 10.0, 20.0, 20.0]].map(|[x, y, w, h]| {
        let corner = |x, y| CanvasPoint::new(x, y);
        BoundingBox::from_corners(corner(x, y), corner(x + w, y + h), "bus")
    });
    editor
        .insert_layout("Boxes", "Boxes", boxes.to_vec())
        .expect("inserted");
    let frame = JobFrame {
        rect: CanvasRect::from_min_size([90, 40], [100, 80]),
        painted_px: [50, 160],
    };
    let painted_as = PaintedAs {
        frame: Some(frame),
        ..PaintedAs::default()
    };
    let report = Report::painted_as(editor.document(), painted_as, None);
    assert_eq!(report.given.len(), 1);
    assert_eq!(report.given[0].rect, [5.0, 40.0, 10.0, 80.0]);
    assert_eq!(
        report.sentences,
        ["1 box lies outside of the frame and is left out"]
    );
}

#[test]
fn windows_of_large_pictures_see_boxes_of_their_own() {
    let boxes = [0, 1, 2].map(|i| ("bus", [40.0 * i as f32, 10.0, 30.0, 30.0], None));
    let document = document(&boxes);
    let with = |is_divided| {
        let painted_as = PaintedAs {
            is_divided,
            ..PaintedAs::default()
        };
        Report::painted_as(&document, painted_as, Some(&layout()))
    };
    assert_eq!(with(false).given.len(), 2);
    let divided = with(true);
    assert_eq!((divided.given.len(), divided.concerns.len()), (3, 0));
    assert_eq!(divided.sentences.len(), 1);
    let sentence = &divided.sentences[0];
    assert!(sentence.contains("sees 2 boxes at a time"), "{sentence}");
}

#[test]
fn boxes_of_a_picture_that_is_finished_larger_are_measured_as_they_are_painted() {
    let document = document(&[("bus", [10.0, 10.0, 24.0, 40.0], None)]);
    let with = |finish| {
        let painted_as = PaintedAs {
            finish,
            ..PaintedAs::default()
        };
        Report::painted_as(&document, painted_as, Some(&layout()))
    };
    assert!(with(None).concerns.is_empty());
    let finished = with(Some(Finish::X4));
    let concerns: Vec<_> = finished.concerns.iter().map(|it| it.2).collect();
    assert_eq!(concerns, [Concern::Small]);
    assert_eq!(
        finished.sentences,
        ["1 box is smaller than 32 × 32 px and may not be seen"]
    );
    // What is painted is told as it lies on the canvas, and scaled with the job.
    assert_eq!(finished.given[0].rect, [10.0, 10.0, 24.0, 40.0]);
}
