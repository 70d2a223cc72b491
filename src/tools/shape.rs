//! Rectangles, ellipses and straight lines, drawn from corner to corner.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::area::{Area, Ellipse, Polygon, line};
use super::event::{Modifiers, PointerButton, PointerEvent, PointerPhase};
use super::medium::{Gesture, MEDIUM, Medium};
use super::options::{Choice, ChoiceOption, ChoiceParam, Described, ToolOptions};
use super::overlay::{Cursor, Overlay, OverlayShape};
use super::tool::{Target, Tool, ToolContext, ToolError, ToolId, ToolInfo};
use crate::document::{Document, LayerId};
use crate::geometry::{CanvasPoint, CanvasRect};
use crate::icons;
use crate::recipe::param::{Number, Param, Range as Allowed, Shown, Value};

static INFO: ToolInfo = ToolInfo {
    id: ToolId("shape"),
    label: "Shape",
    icon: icons::SHAPES,
    key: "U",
    hint: "Draw a filled rectangle, an ellipse or a line. Shift makes it regular, Alt begins in its middle, Ctrl erases.",
};

/// The tool at rest.
pub fn tool() -> Box<dyn Tool> {
    Box::new(ShapeTool::default())
}

static FORM: Choice = Choice {
    id: "form",
    label: "Shape",
    options: &[
        ChoiceOption {
            label: "Rectangle",
            icon: icons::RECTANGLE,
        },
        ChoiceOption {
            label: "Ellipse",
            icon: icons::CIRCLE,
        },
        ChoiceOption {
            label: "Line",
            icon: icons::LINE_SEGMENT,
        },
    ],
};

static WIDTH: Number = Number {
    id: "size",
    label: "Line width",
    hint: "How wide a line is",
    unit: Some("px"),
    allowed: Allowed::real(1.0, 1000.0),
    offered: Allowed::real(1.0, 1000.0),
    shown: Shown::WholeByMagnitude,
    infotext: None,
};

/// What is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Form {
    #[default]
    Rectangle,
    Ellipse,
    Line,
}

impl Form {
    const ALL: [Self; 3] = [Self::Rectangle, Self::Ellipse, Self::Line];

    fn label(self) -> &'static str {
        match self {
            Self::Rectangle => "Rectangle",
            Self::Ellipse => "Ellipse",
            Self::Line => "Line",
        }
    }
}

/// What is set on the tool.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct ShapeSettings {
    medium: Medium,
    form: Form,
    line_width_px: f32,
}

impl Default for ShapeSettings {
    fn default() -> Self {
        Self {
            medium: Medium::default(),
            form: Form::default(),
            line_width_px: 4.0,
        }
    }
}

impl Described for ShapeSettings {
    const PARAMS: &'static [Param<Self>] = &[Param {
        number: &WIDTH,
        get: |shape| Value::Real(shape.line_width_px),
        set: |shape, value| shape.line_width_px = value.as_f32(),
    }];

    const CHOICES: &'static [ChoiceParam<Self>] = &[
        ChoiceParam {
            choice: &MEDIUM,
            get: |shape| shape.medium as usize,
            set: |shape, option| shape.medium = Medium::of_option(option),
        },
        ChoiceParam {
            choice: &FORM,
            get: |shape| shape.form as usize,
            set: |shape, option| shape.form = Form::ALL[option],
        },
    ];
}

/// A shape being drawn.
#[derive(Clone, Copy, Debug)]
struct Draft {
    pressed: CanvasPoint,
    here: CanvasPoint,
    modifiers: Modifiers,
    is_erasing: bool,
}

/// A shape as it will be filled.
enum Drawn {
    Rectangle(CanvasRect),
    Ellipse(Ellipse),
    Line(Polygon),
}

impl Area for Drawn {
    fn bounds(&self) -> CanvasRect {
        match self {
            Self::Rectangle(area) => area.bounds(),
            Self::Ellipse(area) => area.bounds(),
            Self::Line(area) => area.bounds(),
        }
    }

    fn spans(&self, row: i32, spans: &mut Vec<Range<i32>>) {
        match self {
            Self::Rectangle(area) => area.spans(row, spans),
            Self::Ellipse(area) => area.spans(row, spans),
            Self::Line(area) => area.spans(row, spans),
        }
    }

    fn enlarged(&self, times: i32) -> Self {
        match self {
            Self::Rectangle(area) => Self::Rectangle(area.enlarged(times)),
            Self::Ellipse(area) => Self::Ellipse(area.enlarged(times)),
            Self::Line(area) => Self::Line(area.enlarged(times)),
        }
    }
}

impl Draft {
    /// The two ends of a line: with Shift at a multiple of 15 degrees.
    fn ends(&self) -> [CanvasPoint; 2] {
        let Self { pressed, here, .. } = *self;
        let reach = [here.x - pressed.x, here.y - pressed.y];
        let [x, y] = if self.modifiers.shift {
            let step = std::f32::consts::PI / 12.0;
            let angle = (reach[1].atan2(reach[0]) / step).round() * step;
            let length = reach[0].hypot(reach[1]);
            [angle.cos() * length, angle.sin() * length]
        } else {
            reach
        };
        let end = CanvasPoint::new(pressed.x + x, pressed.y + y);
        if self.modifiers.alt {
            [CanvasPoint::new(pressed.x - x, pressed.y - y), end]
        } else {
            [pressed, end]
        }
    }

    /// The rectangle of whole pixels that is touched: with Shift a square, with Alt
    /// about the middle.
    fn rect(&self) -> CanvasRect {
        let Self { pressed, here, .. } = *self;
        let reach = [here.x - pressed.x, here.y - pressed.y];
        let ends = |from: f32, reach: f32| {
            let begin = if self.modifiers.alt {
                from - reach
            } else {
                from
            };
            let (low, high) = (begin.min(from + reach), begin.max(from + reach));
            let low = low.floor() as i32;
            // At least the pixel that was pressed.
            [low, (high.ceil() as i32).max(low.saturating_add(1))]
        };
        let mut axes = [ends(pressed.x, reach[0]), ends(pressed.y, reach[1])];
        if self.modifiers.shift {
            let sides = axes.map(|[low, high]| high.saturating_sub(low));
            let side = sides[0].max(sides[1]);
            for ((axis, reach), own) in axes.iter_mut().zip(reach).zip(sides) {
                let missing = side.saturating_sub(own);
                if self.modifiers.alt {
                    axis[0] = axis[0].saturating_sub(missing / 2);
                } else if reach < 0.0 {
                    axis[0] = axis[0].saturating_sub(missing);
                }
                axis[1] = axis[0].saturating_add(side);
            }
        }
        let [x, y] = axes;
        CanvasRect::from_min_max([x[0], y[0]], [x[1], y[1]])
    }

    fn drawn(&self, settings: &ShapeSettings) -> Drawn {
        match settings.form {
            Form::Rectangle => Drawn::Rectangle(self.rect()),
            Form::Ellipse => Drawn::Ellipse(Ellipse(self.rect())),
            Form::Line => {
                let [from, to] = self.ends();
                Drawn::Line(line(from, to, settings.line_width_px))
            }
        }
    }

    /// The outline, as corners of a closed line.
    fn outline(&self, settings: &ShapeSettings) -> Vec<CanvasPoint> {
        let CanvasRect { min, max } = self.rect();
        let [x0, y0, x1, y1] = [min[0], min[1], max[0], max[1]].map(|v| v as f32);
        match settings.form {
            Form::Rectangle => [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
                .map(|(x, y)| CanvasPoint::new(x, y))
                .to_vec(),
            Form::Ellipse => {
                const CORNERS: u32 = 72;
                let corner = |number: u32| {
                    let angle = std::f32::consts::TAU * number as f32 / CORNERS as f32;
                    CanvasPoint::new(
                        (x0 + x1) * 0.5 + (x1 - x0) * 0.5 * angle.cos(),
                        (y0 + y1) * 0.5 + (y1 - y0) * 0.5 * angle.sin(),
                    )
                };
                (0..CORNERS).map(corner).collect()
            }
            Form::Line => {
                let [from, to] = self.ends();
                line(from, to, settings.line_width_px).corners()
            }
        }
    }
}

/// Draws a shape from press to release and fills it as one step.
#[derive(Debug, Default)]
struct ShapeTool {
    settings: ShapeSettings,
    draft: Option<Draft>,
    /// The layer that was drawn on last.
    last: Option<LayerId>,
}

impl Tool for ShapeTool {
    fn info(&self) -> &'static ToolInfo {
        &INFO
    }

    fn options(&self) -> Option<&dyn ToolOptions> {
        Some(&self.settings)
    }

    fn options_mut(&mut self) -> Option<&mut dyn ToolOptions> {
        Some(&mut self.settings)
    }

    fn is_option_idle(&self, id: &str, _document: &Document) -> bool {
        id == WIDTH.id && self.settings.form != Form::Line
    }

    fn target(&self, document: &Document) -> Result<Target, ToolError> {
        self.settings
            .medium
            .target(document, self.last, false, None)
    }

    fn paints_colours(&self) -> bool {
        self.settings.medium == Medium::Colours
    }

    fn handle_one(
        &mut self,
        event: &PointerEvent,
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        if let Some(draft) = &mut self.draft {
            draft.here = event.position;
            draft.modifiers = event.modifiers;
        }
        match event.phase {
            PointerPhase::Press if self.draft.is_none() && !context.editor.is_busy() => {
                let is_erasing =
                    event.modifiers.command || event.button == PointerButton::Secondary;
                let document = context.editor.document();
                let medium = self.settings.medium;
                medium.target(document, self.last, is_erasing, Some(event.position))?;
                self.draft = Some(Draft {
                    pressed: event.position,
                    here: event.position,
                    modifiers: event.modifiers,
                    is_erasing,
                });
            }
            PointerPhase::Release => {
                let Some(draft) = self.draft.take() else {
                    return Ok(());
                };
                let area = draft.drawn(&self.settings);
                let gesture = Gesture {
                    label: self.settings.form.label(),
                    is_erasing: draft.is_erasing,
                    at: draft.pressed,
                };
                let medium = self.settings.medium;
                medium.change(context, &mut self.last, gesture, |layer, paint| {
                    paint.filling(layer, &area)
                })?;
            }
            _ => {}
        }
        Ok(())
    }

    fn cancel(&mut self, _context: &mut ToolContext<'_>) {
        self.draft = None;
    }

    fn is_active(&self) -> bool {
        self.draft.is_some()
    }

    fn overlay(&self, _document: &Document) -> Overlay {
        let corners = self.draft.map(|draft| draft.outline(&self.settings));
        Overlay {
            shapes: OverlayShape::closed(&corners.unwrap_or_default()),
            ..Overlay::from(Cursor::Crosshair)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::DocumentEditor;
    use crate::geometry::CanvasView;
    use crate::tools::FrameGuide;
    use crate::tools::values::tests::{label_map, values};

    fn drag(
        tool: &mut ShapeTool,
        editor: &mut DocumentEditor,
        [from, to]: [(f32, f32); 2],
        modifiers: Modifiers,
    ) {
        let mut view = CanvasView::default();
        let mut context = ToolContext {
            editor,
            view: &mut view,
            frame: FrameGuide::default(),
            colours: &mut crate::tools::Colours::default(),
        };
        let phases = [
            (PointerPhase::Press, from),
            (PointerPhase::Drag, to),
            (PointerPhase::Release, to),
        ];
        for (phase, (x, y)) in phases {
            let event = PointerEvent {
                modifiers,
                ..PointerEvent::new(phase, CanvasPoint::new(x, y))
            };
            tool.handle(&[event], &mut context).unwrap();
        }
    }

    const SHIFT: Modifiers = Modifiers {
        shift: true,
        command: false,
        alt: false,
    };

    #[test]
    fn a_rectangle_covers_the_pixels_that_it_touches() {
        let mut editor = label_map([64, 64], |_, _| 0);
        editor.select_class(2);
        let mut tool = ShapeTool::default();
        let ends = [(10.2, 10.9), (19.5, 12.1)];
        drag(&mut tool, &mut editor, ends, Modifiers::default());
        assert_eq!(values(&editor).counts()[3], 10 * 3);
        assert_eq!(editor.history().undo_label(), Some("Rectangle"));
        assert!(editor.undo());
        drag(&mut tool, &mut editor, ends, SHIFT);
        assert_eq!(values(&editor).counts()[3], 10 * 10);
        assert!(editor.undo());
        let from_middle = Modifiers {
            alt: true,
            ..Modifiers::default()
        };
        drag(
            &mut tool,
            &mut editor,
            [(20.0, 20.0), (25.0, 22.0)],
            from_middle,
        );
        assert_eq!(values(&editor).counts()[3], 10 * 4);
        let erasing = Modifiers {
            command: true,
            ..Modifiers::default()
        };
        drag(&mut tool, &mut editor, [(0.5, 0.5), (63.5, 63.5)], erasing);
        assert!(values(&editor).is_blank());
    }

    #[test]
    fn every_form_leaves_only_the_class_and_what_was_there() {
        for form in 0..3 {
            let mut editor = label_map([64, 64], |x, _| u8::from(x > 30));
            editor.select_class(3);
            let mut tool = ShapeTool::default();
            tool.options_mut().unwrap().choose("form", form);
            tool.options_mut().unwrap().set("size", Value::Real(7.0));
            let ends = [(5.3, 8.1), (50.7, 44.4)];
            drag(&mut tool, &mut editor, ends, Modifiers::default());
            let counts = values(&editor).counts();
            assert!(counts[4] > 100, "{form}: {}", counts[4]);
            assert_eq!(counts[1] + counts[2] + counts[4], 64 * 64);
        }
    }

    #[test]
    fn a_shape_in_the_making_is_given_up_without_a_step() {
        let mut editor = label_map([64, 64], |_, _| 0);
        let mut view = CanvasView::default();
        let mut tool = ShapeTool::default();
        let mut context = ToolContext {
            editor: &mut editor,
            view: &mut view,
            frame: FrameGuide::default(),
            colours: &mut crate::tools::Colours::default(),
        };
        let event = |phase, x| PointerEvent::new(phase, CanvasPoint::new(x, 9.0));
        let events = [
            event(PointerPhase::Press, 3.0),
            event(PointerPhase::Drag, 40.0),
        ];
        tool.handle(&events, &mut context).unwrap();
        let document = context.editor.document();
        assert!(tool.is_active() && tool.overlay(document).shapes.len() == 4);
        tool.cancel(&mut context);
        let document = context.editor.document();
        assert!(!tool.is_active() && tool.overlay(document).shapes.is_empty());
        assert_eq!(editor.history().undo_count(), 1);
    }
}
