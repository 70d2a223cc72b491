//! All tools and which of them is in hand.

use std::collections::BTreeMap;

use super::colours::Colours;
use super::event::PointerEvent;
use super::options::{Choice, stepped};
use super::overlay::Overlay;
use super::tool::{FrameGuide, Target, Tool, ToolContext, ToolError, ToolId, ToolInfo, Wish};
use crate::document::{Document, DocumentEditor, LayerKind};
use crate::geometry::CanvasView;
use crate::recipe::param::{Number, Value};

/// Names the colours among the settings; no tool has that id.
const COLOURS: &str = "colours";

/// One of each tool, and the tool in hand.
#[derive(Debug)]
pub struct Toolbox {
    tools: Vec<Box<dyn Tool>>,
    /// Index of the tool in hand.
    in_hand: usize,
    frame: FrameGuide,
    /// The colour in hand, for all tools that paint colours.
    colours: Colours,
    /// The canvas that the tools suit.
    canvas_px: Option<[u32; 2]>,
}

impl Default for Toolbox {
    fn default() -> Self {
        Self {
            tools: super::all(),
            in_hand: 0,
            frame: FrameGuide::default(),
            colours: Colours::default(),
            canvas_px: None,
        }
    }
}

impl Toolbox {
    /// The tools at rest with their settings as [`Self::settings`] told them,
    /// the first one in hand.
    pub fn new(settings: &BTreeMap<String, serde_json::Value>) -> Self {
        let mut toolbox = Self::default();
        for tool in &mut toolbox.tools {
            let told = settings.get(tool.info().id.0);
            if let (Some(told), Some(options)) = (told, tool.options_mut()) {
                options.read_json(told);
            }
        }
        if let Some(told) = settings.get(COLOURS) {
            toolbox.colours = Colours::read_json(told);
        }
        toolbox
    }

    /// What is set on the tools, by their ids, and the colours.
    pub fn settings(&self) -> BTreeMap<String, serde_json::Value> {
        let tools = self.tools.iter();
        let options = tools.filter_map(|tool| {
            let options = tool.options()?;
            Some((tool.info().id.0.to_owned(), options.to_json()))
        });
        let colours = serde_json::to_value(&self.colours).ok();
        let colours = colours.map(|colours| (COLOURS.to_owned(), colours));
        options.chain(colours).collect()
    }

    /// The colour in hand and those before it, if the tool in hand paints colours.
    pub fn colours(&self) -> Option<&Colours> {
        self.tool().paints_colours().then_some(&self.colours)
    }

    /// Takes a colour in hand.
    pub fn take_colour(&mut self, colour: [u8; 3]) {
        self.colours.now = colour;
    }

    /// What the tool in hand says of itself.
    pub fn active(&self) -> &'static ToolInfo {
        self.tool().info()
    }

    /// The kind of layer that the tool in hand is for, if it is for one only.
    pub fn kind(&self) -> Option<LayerKind> {
        self.tool().kind()
    }

    /// Takes another tool in hand. A gesture in progress goes on with the old
    /// one, so this is ignored then.
    pub fn select(&mut self, id: ToolId) {
        let found = self.tools.iter().position(|tool| tool.info().id == id);
        if let Some(index) = found.filter(|_| !self.is_active()) {
            self.in_hand = index;
        }
    }

    /// Whether a gesture is in progress.
    pub fn is_active(&self) -> bool {
        self.tool().is_active()
    }

    /// What the tool in hand draws over the canvas.
    pub fn overlay(&self, document: &Document) -> Overlay {
        self.tool().overlay(document)
    }

    /// What a gesture that just ended asks for, once.
    pub fn take_wish(&mut self) -> Option<Wish> {
        self.tool_mut().take_wish()
    }

    /// What the tool in hand would act on.
    ///
    /// # Errors
    /// When there is nothing that it can act on.
    pub fn target(&self, document: &Document) -> Result<Target, ToolError> {
        self.tool().target(document)
    }

    /// Has every tool suit a canvas, as far as nobody has chosen otherwise. A gesture in
    /// progress goes on as it began.
    pub fn suit(&mut self, canvas_px: [u32; 2]) {
        if self.canvas_px == Some(canvas_px) || self.is_active() {
            return;
        }
        self.canvas_px = Some(canvas_px);
        let tools = self.tools.iter_mut();
        tools
            .filter_map(|tool| tool.options_mut())
            .for_each(|options| options.suit(canvas_px));
    }

    /// Says what the next job would paint, before events that may change it.
    pub fn guide(&mut self, frame: FrameGuide) {
        self.frame = frame;
    }

    /// Gives the events of a frame to the tool in hand.
    ///
    /// # Errors
    /// When the document refuses the change; it is then as before the gesture.
    pub fn handle(
        &mut self,
        events: &[PointerEvent],
        editor: &mut DocumentEditor,
        view: &mut CanvasView,
    ) -> Result<(), ToolError> {
        let mut context = ToolContext {
            editor,
            view,
            frame: self.frame,
            colours: &mut self.colours,
        };
        self.tools[self.in_hand].handle(events, &mut context)
    }

    /// Breaks a gesture off and takes its changes back. `false` when there was none.
    pub fn cancel(&mut self, editor: &mut DocumentEditor, view: &mut CanvasView) -> bool {
        let was_active = self.is_active();
        if was_active {
            self.tools[self.in_hand].cancel(&mut ToolContext {
                editor,
                view,
                frame: self.frame,
                colours: &mut self.colours,
            });
        }
        was_active
    }

    /// The numbers that can be set on the tool in hand, and what they are.
    pub fn options(&self) -> Vec<(&'static Number, Value)> {
        let options = self.tool().options();
        options.map_or_else(Vec::new, |options| options.numbers())
    }

    /// Whether a number has no effect on what the tool in hand would act on.
    pub fn is_option_idle(&self, id: &str, document: &Document) -> bool {
        self.tool().is_option_idle(id, document)
    }

    /// The choices of the tool in hand, and which option of each is chosen.
    pub fn choices(&self) -> Vec<(&'static Choice, usize)> {
        let options = self.tool().options();
        options.map_or_else(Vec::new, |options| options.choices())
    }

    /// Chooses an option of the tool in hand.
    pub fn choose(&mut self, id: &str, option: usize) {
        if let Some(options) = self.tool_mut().options_mut() {
            options.choose(id, option);
        }
    }

    /// Ends the gesture of the tool in hand as it stands. `false` when it has none
    /// that can be ended so.
    ///
    /// # Errors
    /// When the document refuses the change; it is then as before the gesture.
    pub fn finish(
        &mut self,
        editor: &mut DocumentEditor,
        view: &mut CanvasView,
    ) -> Result<bool, ToolError> {
        self.tools[self.in_hand].finish(&mut ToolContext {
            editor,
            view,
            frame: self.frame,
            colours: &mut self.colours,
        })
    }

    /// Whether the gesture of the tool in hand can be ended by [`Self::finish`].
    pub fn can_finish(&self) -> bool {
        self.tool().can_finish()
    }

    /// Sets a number of the tool in hand, brought into its range.
    pub fn set_option(&mut self, id: &str, value: Value) {
        if let Some(options) = self.tool_mut().options_mut() {
            options.set(id, value);
        }
    }

    /// Sets a number of the tool in hand some steps higher or lower, if it has
    /// that number.
    pub fn step_option(&mut self, id: &str, steps: i32) {
        let options = self.options();
        if let Some((number, value)) = options.iter().find(|(number, _)| number.id == id) {
            self.set_option(id, stepped(number, *value, steps));
        }
    }

    fn tool(&self) -> &dyn Tool {
        &*self.tools[self.in_hand]
    }

    fn tool_mut(&mut self) -> &mut dyn Tool {
        &mut *self.tools[self.in_hand]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of(toolbox: &Toolbox) -> f32 {
        toolbox.options()[0].1.as_f32()
    }

    #[test]
    fn each_tool_keeps_its_own_settings_from_start_to_start() {
        let mut toolbox = Toolbox::default();
        toolbox.set_option("size", Value::Real(33.0));
        toolbox.select(ToolId("eraser"));
        toolbox.step_option("size", 2);
        assert_eq!(size_of(&toolbox), 18.0);
        let mut again = Toolbox::new(&toolbox.settings());
        assert_eq!(size_of(&again), 33.0);
        again.select(ToolId("eraser"));
        assert_eq!(size_of(&again), 18.0);
        again.select(ToolId("of another version"));
        assert_eq!(again.active().id, ToolId("eraser"));
    }

    #[test]
    fn settings_of_before_tools_kept_their_own_are_read() {
        let old = r#"{"brush":{"size_px":40.0},"eraser":{"size_px":7.0},
            "foreground":[0,0,0],"background":[255,255,255]}"#;
        let mut toolbox = Toolbox::new(&serde_json::from_str(old).unwrap());
        assert_eq!(size_of(&toolbox), 40.0);
        toolbox.select(ToolId("eraser"));
        assert_eq!(size_of(&toolbox), 7.0);
    }

    #[test]
    fn no_two_tools_share_an_id_or_a_key() {
        let infos: Vec<_> = super::super::all().iter().map(|tool| tool.info()).collect();
        for (index, info) in infos.iter().enumerate() {
            let others = &infos[index + 1..];
            assert!(
                others
                    .iter()
                    .all(|other| other.id != info.id && other.key != info.key)
            );
        }
    }
}
