//! The polygon lasso: corners by clicks, free lines by dragging, in one outline.

use serde::{Deserialize, Serialize};

use super::area::Polygon;
use super::event::{PointerButton, PointerEvent, PointerPhase};
use super::medium::{Gesture, MEDIUM, Medium};
use super::options::{ChoiceParam, Described, ToolOptions};
use super::overlay::{Cursor, Overlay, OverlayShape};
use super::tool::{Target, Tool, ToolContext, ToolError, ToolId, ToolInfo};
use crate::document::{Document, LayerId};
use crate::geometry::CanvasPoint;
use crate::icons;
use crate::recipe::param::Param;

static INFO: ToolInfo = ToolInfo {
    id: ToolId("lasso"),
    label: "Lasso",
    icon: icons::POLYGON,
    key: "L",
    hint: "Click corners, or drag a line, around an area; Enter or a second click fills it. Ctrl erases, right-click takes a corner back.",
};

/// The tool at rest.
pub fn tool() -> Box<dyn Tool> {
    Box::new(LassoTool::default())
}

/// How near to the first corner, in screen pixels, a click closes the outline.
const CLOSING_PX: f32 = 8.0;

/// How near two clicks in one place are, in screen pixels.
const SAME_PLACE_PX: f32 = 3.0;

/// Distance of the corners of a free line, in screen pixels.
const FREE_STEP_PX: f32 = 2.0;

/// What is set on the tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct LassoSettings {
    medium: Medium,
}

impl Described for LassoSettings {
    const PARAMS: &'static [Param<Self>] = &[];

    const CHOICES: &'static [ChoiceParam<Self>] = &[ChoiceParam {
        choice: &MEDIUM,
        get: |lasso| lasso.medium as usize,
        set: |lasso, option| lasso.medium = Medium::of_option(option),
    }];
}

/// An outline in the making.
#[derive(Debug)]
struct Outline {
    corners: Vec<CanvasPoint>,
    /// Where the corners of each click or free line begin.
    strokes: Vec<usize>,
    /// Where the pointer is, if the next corner would lie there.
    here: CanvasPoint,
    is_pressed: bool,
    is_erasing: bool,
}

/// Gathers corners over several presses and fills the outline as one step.
#[derive(Debug, Default)]
struct LassoTool {
    settings: LassoSettings,
    outline: Option<Outline>,
    /// The layer that was filled last.
    last: Option<LayerId>,
}

impl LassoTool {
    fn begin(
        &mut self,
        event: &PointerEvent,
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        let is_erasing = event.modifiers.command || event.button == PointerButton::Secondary;
        let document = context.editor.document();
        let medium = self.settings.medium;
        medium.target(document, self.last, is_erasing, Some(event.position))?;
        self.outline = Some(Outline {
            corners: vec![event.position],
            strokes: vec![0],
            here: event.position,
            is_pressed: true,
            is_erasing,
        });
        Ok(())
    }

    /// Fills what the outline goes around; fewer than three corners are nothing.
    fn close(&mut self, context: &mut ToolContext<'_>) -> Result<(), ToolError> {
        let Some(outline) = self.outline.take() else {
            return Ok(());
        };
        if outline.corners.len() < 3 {
            return Ok(());
        }
        let gesture = Gesture {
            label: "Lasso",
            is_erasing: outline.is_erasing,
            at: outline.corners[0],
        };
        let area = Polygon::new(outline.corners);
        let medium = self.settings.medium;
        medium.change(context, &mut self.last, gesture, |layer, paint| {
            paint.filling(layer, &area)
        })
    }
}

impl Outline {
    fn take_back(&mut self) {
        self.is_pressed = false;
        self.corners.truncate(self.strokes.pop().unwrap_or(0));
    }
}

impl Tool for LassoTool {
    fn info(&self) -> &'static ToolInfo {
        &INFO
    }

    fn options(&self) -> Option<&dyn ToolOptions> {
        Some(&self.settings)
    }

    fn options_mut(&mut self) -> Option<&mut dyn ToolOptions> {
        Some(&mut self.settings)
    }

    fn paints_colours(&self) -> bool {
        self.settings.medium == Medium::Colours
    }

    fn target(&self, document: &Document) -> Result<Target, ToolError> {
        self.settings
            .medium
            .target(document, self.last, false, None)
    }

    fn handle_one(
        &mut self,
        event: &PointerEvent,
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        let zoom = context.view.zoom.max(f32::MIN_POSITIVE);
        let at = event.position;
        let Some(outline) = &mut self.outline else {
            if event.phase == PointerPhase::Press && !context.editor.is_busy() {
                return self.begin(event, context);
            }
            return Ok(());
        };
        outline.here = at;
        match event.phase {
            PointerPhase::Press if event.button == PointerButton::Secondary => {
                outline.take_back();
                if outline.corners.is_empty() {
                    self.outline = None;
                }
            }
            PointerPhase::Press => {
                let is_near = |corner: Option<&CanvasPoint>, px: f32| {
                    corner.is_some_and(|corner| corner.distance(at) * zoom <= px)
                };
                let is_closed = outline.corners.len() > 2
                    && is_near(outline.corners.first(), CLOSING_PX)
                    || is_near(outline.corners.last(), SAME_PLACE_PX);
                if is_closed {
                    return self.close(context);
                }
                outline.strokes.push(outline.corners.len());
                outline.corners.push(at);
                outline.is_pressed = true;
            }
            PointerPhase::Drag if outline.is_pressed => {
                let last = outline.corners.last();
                let is_far = |last: &CanvasPoint| last.distance(at) * zoom >= FREE_STEP_PX;
                if last.is_none_or(is_far) {
                    outline.corners.push(at);
                }
            }
            PointerPhase::Release if outline.is_pressed => {
                outline.is_pressed = false;
                // A line drawn all around in one go is an area.
                let is_alone = outline.strokes.len() == 1;
                let first = outline.corners.first();
                let returns = first.is_some_and(|first| first.distance(at) * zoom <= CLOSING_PX);
                if is_alone && outline.corners.len() > 8 && returns {
                    return self.close(context);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn cancel(&mut self, _context: &mut ToolContext<'_>) {
        self.outline = None;
    }

    fn finish(&mut self, context: &mut ToolContext<'_>) -> Result<bool, ToolError> {
        let had_one = self.outline.is_some();
        self.close(context)?;
        Ok(had_one)
    }

    fn can_finish(&self) -> bool {
        self.outline.is_some()
    }

    fn is_active(&self) -> bool {
        self.outline.is_some()
    }

    fn overlay(&self, _document: &Document) -> Overlay {
        let mut overlay = Overlay::from(Cursor::Crosshair);
        if let Some(outline) = &self.outline {
            let mut corners = outline.corners.clone();
            corners.push(outline.here);
            overlay.shapes = OverlayShape::closed(&corners);
        }
        overlay
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::DocumentEditor;
    use crate::geometry::CanvasView;
    use crate::tools::FrameGuide;
    use crate::tools::values::tests::{label_map, values};

    struct Bench {
        tool: LassoTool,
        editor: DocumentEditor,
        view: CanvasView,
    }

    impl Bench {
        fn new() -> Self {
            let mut editor = label_map([64, 64], |_, _| 0);
            editor.select_class(2);
            Self {
                tool: LassoTool::default(),
                editor,
                view: CanvasView::default(),
            }
        }

        fn send(&mut self, phase: PointerPhase, (x, y): (f32, f32), button: PointerButton) {
            let event = PointerEvent {
                button,
                ..PointerEvent::new(phase, CanvasPoint::new(x, y))
            };
            let mut context = ToolContext {
                editor: &mut self.editor,
                view: &mut self.view,
                frame: FrameGuide::default(),
                colours: &mut crate::tools::Colours::default(),
            };
            self.tool.handle(&[event], &mut context).unwrap();
        }

        fn click(&mut self, at: (f32, f32)) {
            self.send(PointerPhase::Press, at, PointerButton::Primary);
            self.send(PointerPhase::Release, at, PointerButton::Primary);
        }

        fn filled(&self) -> u64 {
            values(&self.editor).counts()[3]
        }
    }

    const CORNERS: [(f32, f32); 4] = [(10.0, 10.0), (40.0, 10.0), (40.0, 40.0), (10.0, 40.0)];

    #[test]
    fn clicked_corners_are_filled_by_a_click_on_the_first() {
        let mut bench = Bench::new();
        CORNERS.into_iter().for_each(|corner| bench.click(corner));
        assert!(bench.tool.is_active());
        bench.click((11.0, 11.0));
        assert!(!bench.tool.is_active());
        assert_eq!(bench.filled(), 30 * 30);
        assert_eq!(bench.editor.history().undo_label(), Some("Lasso"));
    }

    #[test]
    fn a_second_click_or_the_key_closes_and_a_right_click_takes_back() {
        let mut bench = Bench::new();
        CORNERS.into_iter().for_each(|corner| bench.click(corner));
        bench.click((60.0, 60.0));
        bench.send(PointerPhase::Press, (60.0, 60.0), PointerButton::Secondary);
        bench.click((10.0, 40.0));
        assert_eq!(bench.filled(), 30 * 30);
        let mut bench = Bench::new();
        CORNERS[..3].iter().for_each(|corner| bench.click(*corner));
        let mut context = ToolContext {
            editor: &mut bench.editor,
            view: &mut bench.view,
            frame: FrameGuide::default(),
            colours: &mut crate::tools::Colours::default(),
        };
        assert!(bench.tool.can_finish());
        assert_eq!(bench.tool.finish(&mut context), Ok(true));
        assert!((400..=500).contains(&bench.filled()), "{}", bench.filled());
        // All corners taken back: it is at rest again.
        let mut bench = Bench::new();
        bench.click((5.0, 5.0));
        bench.send(PointerPhase::Press, (9.0, 9.0), PointerButton::Secondary);
        assert!(!bench.tool.is_active());
    }

    #[test]
    fn a_line_dragged_all_around_is_filled_at_once() {
        let mut bench = Bench::new();
        let at = |step: u32| {
            let angle = step as f32 / 60.0 * std::f32::consts::TAU;
            (32.0 + 20.0 * angle.cos(), 32.0 + 20.0 * angle.sin())
        };
        bench.send(PointerPhase::Press, at(0), PointerButton::Primary);
        (1..=60).for_each(|step| bench.send(PointerPhase::Drag, at(step), PointerButton::Primary));
        bench.send(PointerPhase::Release, at(60), PointerButton::Primary);
        let area = std::f32::consts::PI * 400.0;
        assert!(
            (bench.filled() as f32 / area - 1.0).abs() < 0.03,
            "{}",
            bench.filled()
        );
        assert!(!bench.tool.is_active());
    }
}
