//! The open document, and who may reach it.
//!
//! What leaves a document (a job, a file being written, a picture being opened)
//! comes back later, when another document may be in front. It carries the
//! [`DocumentId`] and asks [`Documents::get_mut`]: there it finds its own
//! document, or learns that it was closed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::background::FinishedPicture;
use crate::document::{
    CanvasContents, Document, DocumentEditor, DocumentError, DocumentId, DocumentRevision, LayerId,
    TileGrid,
};
use crate::geometry::{CanvasPoint, CanvasView};
use crate::project::{Choices, ConditionChoices, Home, Project};
use crate::recipe::{FoundRecipe, FrameSpec, PaintedRecipe};

/// A document with everything that belongs to it alone.
#[derive(Debug)]
pub struct OpenDocument {
    /// The picture and its history.
    pub editor: DocumentEditor,
    /// Where the canvas looks.
    pub view: CanvasView,
    /// The file it was opened from or saved to.
    pub file: Option<PathBuf>,
    /// The class of a label map that is shown apart from the others, as it is stored.
    pub isolated: Option<(LayerId, u8)>,
    /// Whether the picture is painted on, where there is one and no mask is heeded;
    /// else a new one is painted.
    pub starts_from_picture: bool,
    /// The layer that the model is shown in small.
    pub small_picture: Option<LayerId>,
    /// The layer that pulls what is painted towards itself.
    pub guide: Option<LayerId>,
    /// Whether only the inside of the mask is repainted, where there is one.
    pub heeds_mask: bool,
    /// Whether that file is a project, which the next save replaces.
    pub is_project: bool,
    /// What the document was when the last result came.
    result_revision: Option<DocumentRevision>,
    /// How its layers were painted, for the saved file.
    recipes: BTreeMap<LayerId, PaintedRecipe>,
    /// How a model painted them larger, one time after the other.
    larger: BTreeMap<LayerId, Vec<Larger>>,
    /// The layer of the picture that was opened, and how its file says that it was painted.
    opened: Option<(LayerId, PaintedRecipe)>,
}

/// How a layer was painted anew, larger.
#[derive(Clone, Debug)]
struct Larger {
    /// Sides of the canvas before it.
    before_px: [u32; 2],
    recipe: PaintedRecipe,
}

impl Larger {
    /// Whether a canvas of a size is one that grew so: after an undo it is not.
    fn acts_on(&self, size_px: [u32; 2]) -> bool {
        (0..2).any(|axis| size_px[axis] > self.before_px[axis])
    }
}

impl OpenDocument {
    /// A document that counts as saved in the given file, if there is one.
    pub fn new(document: Document, file: Option<PathBuf>) -> Self {
        Self {
            editor: DocumentEditor::new(document),
            view: CanvasView::default(),
            file,
            isolated: None,
            starts_from_picture: true,
            small_picture: None,
            guide: None,
            heeds_mask: true,
            is_project: false,
            result_revision: None,
            recipes: BTreeMap::new(),
            larger: BTreeMap::new(),
            opened: None,
        }
    }

    /// The same with a picture that was painted as its file says, where it does.
    #[must_use]
    pub fn painted_as(self, recipe: Option<FoundRecipe>) -> Self {
        let mut layers = self.document().layers().iter().rev();
        let picture = layers.find(|layer| layer.raster().is_some());
        let picture = picture.map(|layer| layer.id);
        let opened = picture.zip(recipe.and_then(FoundRecipe::into_painted));
        Self { opened, ..self }
    }

    /// A document that counts as saved in the project file that it comes from, if
    /// that is known.
    pub fn of_project(project: Project) -> Self {
        let Project {
            document,
            view,
            recipes,
            choices,
            home,
        } = project;
        Self {
            view,
            starts_from_picture: choices.starts_from_picture,
            heeds_mask: choices.heeds_mask,
            small_picture: choices.small_picture,
            guide: choices.guide,
            is_project: home.as_ref().is_some_and(|home| home.is_project),
            recipes,
            ..Self::new(document, home.map(|home| home.path))
        }
    }

    /// Everything that a project file holds of it, as it is now; `conditions` is what is
    /// said beside it.
    pub fn to_project(&self, conditions: ConditionChoices) -> Project {
        Project {
            document: self.document().clone(),
            view: self.view,
            recipes: self
                .recipes
                .keys()
                .chain(self.larger.keys())
                .filter_map(|layer| Some((*layer, self.recipe_of(*layer)?)))
                .collect(),
            choices: Choices {
                starts_from_picture: self.starts_from_picture,
                heeds_mask: self.heeds_mask,
                small_picture: self.small_picture,
                guide: self.guide,
                conditions: Some(conditions),
            },
            home: None,
        }
    }

    /// The file it belongs to, wherever the next program starts from.
    pub fn home(&self) -> Option<Home> {
        self.file.as_deref().map(|file| Home {
            path: std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf()),
            is_project: self.is_project,
        })
    }

    /// The project file that the next save replaces.
    pub fn project_file(&self) -> Option<&Path> {
        self.file.as_deref().filter(|_| self.is_project)
    }

    /// Names the document.
    pub fn id(&self) -> DocumentId {
        self.editor.id()
    }

    /// The picture.
    pub fn document(&self) -> &Document {
        self.editor.document()
    }

    /// How its layers were painted; frames count on the plane of the document.
    pub fn recipes(&self) -> &BTreeMap<LayerId, PaintedRecipe> {
        &self.recipes
    }

    /// The recipe of the topmost visible painted layer, for the saved file.
    pub fn recipe(&self) -> Option<PaintedRecipe> {
        let layers = self.document().layers().iter().rev();
        let mut visible = layers.filter(|layer| layer.visible);
        visible.find_map(|layer| self.recipe_of(layer.id))
    }

    /// How a layer was painted, as it is now.
    pub fn recipe_of(&self, layer: LayerId) -> Option<PaintedRecipe> {
        let size_px = self.document().size_px();
        let larger = self.larger.get(&layer).into_iter().flatten().rev();
        let mut larger = larger.filter(|it| it.acts_on(size_px));
        let larger = larger.next().map(|it| &it.recipe);
        let recipe = larger.or_else(|| self.recipes.get(&layer))?;
        Some(self.on_canvas(recipe))
    }

    /// How the picture on a layer came to be: painted here, or before its file was opened.
    pub fn source_of(&self, layer: LayerId) -> Option<PaintedRecipe> {
        let opened = self.opened.as_ref().filter(|(id, _)| *id == layer);
        let opened = opened.map(|(_, recipe)| recipe);
        self.recipe_of(layer).or_else(|| opened.cloned())
    }

    /// A recipe whose frame counts from the corner of the canvas as it is now.
    fn on_canvas(&self, recipe: &PaintedRecipe) -> PaintedRecipe {
        let mut recipe = recipe.clone();
        if let Some(frame) = &mut recipe.spec.frame {
            let rect = self.document().on_canvas(frame.rect());
            *frame = FrameSpec::new(rect, frame.framing);
        }
        recipe
    }

    /// The name of the picture for titles and dialogs.
    pub fn title(&self) -> String {
        let name = self.file.as_ref().and_then(|path| path.file_name());
        name.map_or_else(
            || "Untitled".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        )
    }

    /// Whether nothing was changed since the last result came.
    pub fn is_result_new(&self) -> bool {
        self.result_revision == Some(self.document().revision())
    }

    /// Whether something was painted that no file holds, on a layer that is seen
    /// or not, or taken away of what a project holds.
    pub fn has_unsaved_work(&self) -> bool {
        self.editor.is_dirty() && (self.is_project || self.document().has_content())
    }

    /// Puts a finished picture into the document as one step.
    ///
    /// # Errors
    /// While a transaction is in progress, or when the picture is too large.
    pub fn place(
        &mut self,
        name: &str,
        picture: TileGrid<[u8; 4]>,
        recipe: PaintedRecipe,
    ) -> Result<(), DocumentError> {
        let layer = self.editor.place_picture("Generate", name, picture)?;
        self.note_result(layer, recipe);
        Ok(())
    }

    /// Lets the document become larger as one step, with a finished picture if one
    /// comes along and layers that were painted anew; the canvas goes on to look at the
    /// same place.
    ///
    /// # Errors
    /// While a transaction is in progress, or when it would be too large.
    pub fn grow(
        &mut self,
        label: &str,
        contents: CanvasContents,
        finished: Option<FinishedPicture>,
        repainted: Vec<(LayerId, PaintedRecipe)>,
    ) -> Result<(), DocumentError> {
        let before_px = self.document().size_px();
        let grows_by = contents.size_px[0] as f32 / before_px[0] as f32;
        let picture = finished.map(|finished| {
            let FinishedPicture {
                name,
                picture,
                recipe,
                ..
            } = finished;
            ((name, picture), recipe)
        });
        let (picture, recipe) = picture.unzip();
        let layer = self.editor.enlarge(label, contents, picture)?;
        self.forget_undone(before_px);
        if let Some((layer, recipe)) = layer.zip(recipe) {
            self.note_result(layer, recipe);
        }
        for (layer, recipe) in repainted {
            let larger = self.larger.entry(layer).or_default();
            larger.push(Larger { before_px, recipe });
        }
        if !self.view.is_fitted {
            let CanvasView { center, zoom, .. } = self.view;
            self.view.center = CanvasPoint::new(center.x * grows_by, center.y * grows_by);
            self.view.zoom = zoom / grows_by;
        }
        Ok(())
    }

    /// Puts a finished picture into the document as one step with the canvas that grew to
    /// hold it.
    ///
    /// # Errors
    /// While a transaction is in progress, or when the canvas would be too large.
    pub fn place_beyond(
        &mut self,
        name: &str,
        picture: TileGrid<[u8; 4]>,
        recipe: PaintedRecipe,
        canvas: CanvasContents,
    ) -> Result<(), DocumentError> {
        let before_px = self.document().size_px();
        let picture = (name.to_owned(), picture);
        let placed = self.keeping_sight(|editor| editor.enlarge("Generate", canvas, Some(picture)));
        let placed = placed?;
        self.forget_undone(before_px);
        if let Some(layer) = placed {
            self.note_result(layer, recipe);
        }
        Ok(())
    }

    /// Changes the document; where everything moves because the canvas begins elsewhere
    /// then, what is looked at stays in sight.
    pub fn keeping_sight<T>(&mut self, change: impl FnOnce(&mut DocumentEditor) -> T) -> T {
        let [x, y] = self.document().origin_px();
        let done = change(&mut self.editor);
        let [new_x, new_y] = self.document().origin_px();
        self.view.center.x += (x - new_x) as f32;
        self.view.center.y += (y - new_y) as f32;
        done
    }

    /// Forgets the times that layers became larger which were undone, as a canvas of this
    /// size says: it has grown otherwise now, and they are not done again.
    fn forget_undone(&mut self, before_px: [u32; 2]) {
        for larger in self.larger.values_mut() {
            larger.retain(|it| it.acts_on(before_px));
        }
    }

    fn note_result(&mut self, layer: LayerId, recipe: PaintedRecipe) {
        let editor = &self.editor;
        // Layers that were deleted and that no undo brings back need none.
        self.recipes.retain(|id, _| editor.remembers_layer(*id));
        self.larger.retain(|id, _| editor.remembers_layer(*id));
        self.recipes.insert(layer, recipe);
        self.result_revision = Some(self.editor.revision());
    }
}

/// The documents that are open: at present the one in front. Another one that
/// takes its place closes it.
#[derive(Debug)]
pub struct Documents {
    front: OpenDocument,
}

impl Documents {
    /// One document, in front.
    pub fn new(front: OpenDocument) -> Self {
        Self { front }
    }

    /// The document that the window shows.
    pub fn front(&self) -> &OpenDocument {
        &self.front
    }

    /// The document that the window shows.
    pub fn front_mut(&mut self) -> &mut OpenDocument {
        &mut self.front
    }

    /// The document of that name; `None` once it was closed.
    pub fn get_mut(&mut self, id: DocumentId) -> Option<&mut OpenDocument> {
        (self.front.id() == id).then_some(&mut self.front)
    }

    /// Brings another document to the front and closes the one that was there.
    pub fn replace_front(&mut self, document: OpenDocument) {
        self.front = document;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::GenerateSpec;
    use image::{Rgba, RgbaImage};

    #[test]
    fn recipes_go_when_no_undo_brings_their_layers_back() {
        let document = Document::blank([600, 600]).expect("an allowed size");
        let mut open = OpenDocument::new(document, None);
        open.editor = DocumentEditor::with_history_budget(open.document().clone(), 10 << 18);
        for _ in 0..12 {
            let picture = RgbaImage::from_pixel(600, 600, Rgba([1, 2, 3, 255]));
            let recipe = PaintedRecipe::new(GenerateSpec::default(), "Storybook", "0123456789");
            open.place("Picture", TileGrid::from_image(&picture), recipe)
                .expect("placed");
            let layer = *open.recipes().keys().next_back().expect("a recipe");
            open.editor.delete_layer(layer).expect("deleted");
        }
        assert!(open.recipes().len() <= 3, "{}", open.recipes().len());
    }

    #[test]
    fn a_document_that_was_replaced_is_closed() {
        let open = |side| {
            let document = Document::blank([side, side]).expect("an allowed size");
            OpenDocument::new(document, None)
        };
        let mut documents = Documents::new(open(8));
        let first = documents.front().id();
        assert!(documents.get_mut(first).is_some());
        documents.replace_front(open(16));
        assert!(documents.get_mut(first).is_none());
    }
}
