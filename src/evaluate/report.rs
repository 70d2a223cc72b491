//! The figures of an evaluation.

use std::fmt::Write as _;

use serde::Serialize;

use super::frechet::FrechetDistance;
use super::questions::Truth;
use super::reading::Reading;
use super::super_resolution::{Enlarged, table as super_resolution_table};
use super::{Combinations, PictureKind, Question, Reconstruction};

/// How many of those asked were right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Right answers.
    pub right: u32,
    /// Questions.
    pub asked: u32,
}

impl Share {
    pub(super) fn count(&mut self, is_right: bool) {
        self.right += u32::from(is_right);
        self.asked += 1;
    }

    /// From 0 to 1; `None` where nothing was asked.
    pub fn part(self) -> Option<f64> {
        (self.asked > 0).then(|| f64::from(self.right) / f64::from(self.asked))
    }

    pub(super) fn percent(self) -> String {
        match self.part() {
            Some(part) => format!("{:.0} %", 100.0 * part),
            None => "–".to_owned(),
        }
    }
}

/// The answers to one question.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The question.
    pub question: Question,
    /// Painted pictures against their own captions.
    pub painted: Share,
    /// Real scenes against their own captions: what the judge can see at all.
    pub real: Share,
    /// Painted pictures against the captions of others.
    pub chance: Share,
}

/// The measure that is no share but a mean.
pub(super) const LABEL_MAP: &str = "label_map";

/// The measure in which neighbours of the same class are told apart.
pub(super) const BOXES_APART: &str = "boxes, neighbours apart";

/// What boxes or label maps ask for, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ConditionRow {
    /// What was told.
    pub told: PictureKind,
    /// What was looked for: `objects`, `boxes`, `boxes, neighbours apart`, or `label_map`,
    /// the mean intersection over union.
    pub measure: &'static str,
    /// Things that were looked for.
    pub asked: u32,
    /// In painted pictures.
    pub painted: f64,
    /// In real scenes: what the judge can see at all.
    pub real: f64,
    /// In painted pictures, what was asked of others.
    pub chance: f64,
    /// In pictures that were painted from a wrong condition.
    pub wrong: f64,
}

/// The answers to something that is no [`Question`] to the judge alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AskedRow {
    /// What was asked.
    pub name: &'static str,
    /// Painted pictures against what was asked of them.
    pub painted: Share,
    /// Real scenes against what they show: what the judge can see at all.
    pub real: Share,
    /// Painted pictures against something else.
    pub chance: Share,
}

/// All figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvaluationReport {
    /// Captions painted.
    pub prompts: u32,
    /// Seed of the scenes and of the noise.
    pub seed: u64,
    /// Steps of the sampler.
    pub steps: u32,
    /// Guidance.
    pub guidance_scale: f32,
    /// Real scenes through the autoencoder.
    pub reconstruction: Reconstruction,
    /// From captions alone.
    pub text_to_image: Vec<Row>,
    /// Colours of things in these.
    pub colours: Option<AskedRow>,
    /// How far these are from real scenes as a set.
    pub frechet: Option<FrechetDistance>,
    /// Objects of the same captions painted in fewer steps.
    pub few_steps: Vec<AskedRow>,
    /// From captions that say how many there are.
    pub numbers: Vec<AskedRow>,
    /// From captions that say what is left and right; chance is the other way round.
    pub sides: Option<AskedRow>,
    /// One object of a scene painted anew.
    pub inpainting: Vec<AskedRow>,
    /// From boxes and label maps.
    pub conditions: Vec<ConditionRow>,
    /// From small pictures.
    pub super_resolution: Vec<Enlarged>,
    /// From captions of what no training scene shows together.
    pub combinations: Option<Combinations>,
}

impl EvaluationReport {
    /// The figures as a table for people, in Markdown.
    pub fn table(&self) -> String {
        let objects = match self.reconstruction.objects_psnr_db {
            Some(psnr) => format!(", {psnr:.1} dB in the boxes of objects"),
            None => String::new(),
        };
        let mut text = format!(
            "Reconstruction of unseen scenes: {:.1} dB PSNR{objects}.\n\n\
             {} unseen captions, {} steps, guidance {}, judged by a network trained on scenes only:\n\n\
             | | asked | painted | real scenes | chance |\n|---|---:|---:|---:|---:|\n",
            self.reconstruction.psnr_db, self.prompts, self.steps, self.guidance_scale
        );
        // Writing to a string cannot fail.
        let mut line = |task: &str, name: &str, [painted, real, chance]: [Share; 3]| {
            let shares = [painted, real, chance].map(Share::percent).join(" | ");
            writeln!(text, "| {task}: {name} | {} | {shares} |", painted.asked).ok();
        };
        for row in &self.text_to_image {
            let shares = [row.painted, row.real, row.chance];
            line("text to image", row.question.name(), shares);
        }
        let asked = self.colours.iter().chain(&self.few_steps);
        let asked = asked.map(|row| ("text to image", row));
        let numbers = self.numbers.iter().map(|row| ("numbers", row));
        let sides = self.sides.iter().map(|row| ("sides", row));
        let inpainting = self.inpainting.iter().map(|row| ("inpainting", row));
        for (task, row) in asked.chain(numbers).chain(sides).chain(inpainting) {
            line(task, row.name, [row.painted, row.real, row.chance]);
        }
        if self.sides.is_some() {
            text +=
                "\nThe chance of sides is how often both things are there the other way round.\n";
        }
        if let Some(frechet) = &self.frechet {
            text += &frechet.sentence();
        }
        text + &self.conditions_table()
            + &self.combinations_table()
            + &super_resolution_table(&self.super_resolution)
    }

    /// What boxes and label maps came to; empty where they were not asked for.
    fn conditions_table(&self) -> String {
        if self.conditions.is_empty() {
            return String::new();
        }
        let mut text = "\nBoxes count as found where the cells of their class fill half of them \
             (intersection over union), those of neighbours of the same class among them or, with \
             neighbours apart, without what is nearer to these; a label map's figure is the mean intersection over union of \
             its classes. A wrong condition is the boxes moved by half a picture, or the map of \
             another scene:\n\n\
             | told: looked for | asked | painted | real scenes | chance | wrong condition |\n\
             |---|---:|---:|---:|---:|---:|\n"
            .to_owned();
        for row in &self.conditions {
            let is_mean = row.measure == LABEL_MAP;
            let number = |value: f64| match is_mean {
                true => format!("{value:.2}"),
                false => format!("{:.0} %", 100.0 * value),
            };
            writeln!(
                text,
                "| {}: {} | {} | {} | {} | {} | {} |",
                row.told,
                if is_mean { "label map" } else { row.measure },
                row.asked,
                number(row.painted),
                number(row.real),
                number(row.chance),
                number(row.wrong)
            )
            .ok();
        }
        text
    }

    /// What came of combinations; empty where they were not asked for.
    fn combinations_table(&self) -> String {
        let Some(found) = &self.combinations else {
            return String::new();
        };
        let mut text =
            "\nAn object in a colour or a place in which no training scene shows it, beside \
             the same objects as some do:\n\n\
             | combination | asked | object | colour or place | both | chance |\n\
             |---|---:|---:|---:|---:|---:|\n"
                .to_owned();
        for (name, row) in [("held out", &found.held_out), ("familiar", &found.familiar)] {
            writeln!(
                text,
                "| {name} | {} | {} | {} | {} | {} |",
                row.together.asked,
                row.objects.percent(),
                row.settings.percent(),
                row.together.percent(),
                row.chance.percent()
            )
            .ok();
        }
        text
    }
}

/// Compares readings of painted and of real pictures with the captions.
pub(super) fn rows(painted: &[Reading], real: &[Reading], truths: &[Truth]) -> Vec<Row> {
    Question::ALL
        .iter()
        .map(|question| Row {
            question: *question,
            painted: share(*question, painted, truths, 0),
            real: share(*question, real, truths, 0),
            chance: share(*question, painted, truths, 1),
        })
        .filter(|row| row.painted.asked > 0)
        .collect()
}

/// Answers against the truth `offset` places further among those of whom the
/// question can be asked.
fn share(question: Question, readings: &[Reading], truths: &[Truth], offset: usize) -> Share {
    let is_asked = |truth: &Truth| match question {
        Question::Object => !truth.objects.is_empty(),
        _ => truth.answer(question).is_some(),
    };
    let asked: Vec<(&Reading, &Truth)> = readings
        .iter()
        .zip(truths)
        .filter(|(_, truth)| is_asked(truth))
        .collect();
    let mut share = Share::default();
    for (i, (reading, _)) in asked.iter().enumerate() {
        let (_, truth) = asked[(i + offset) % asked.len()];
        match truth.answer(question) {
            Some(answer) => share.count(reading.answer(question) == Some(answer)),
            None => {
                for class in &truth.objects {
                    share.count(reading.shows(*class, None));
                }
            }
        }
    }
    share
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::CombinationRow;

    #[test]
    fn a_report_is_a_table() {
        let share = |right, asked| Share { right, asked };
        let report = EvaluationReport {
            prompts: 4,
            seed: 0,
            steps: 10,
            guidance_scale: 4.0,
            reconstruction: Reconstruction {
                psnr_db: 26.04,
                objects_psnr_db: Some(19.5),
            },
            text_to_image: vec![Row {
                question: Question::Time,
                painted: share(3, 4),
                real: share(4, 4),
                chance: share(1, 4),
            }],
            colours: None,
            frechet: Some(FrechetDistance {
                count: 4,
                painted: 1.5,
                real: 0.5,
            }),
            few_steps: Vec::new(),
            numbers: vec![AskedRow {
                name: "three",
                painted: share(1, 2),
                real: share(2, 2),
                chance: share(0, 2),
            }],
            sides: None,
            inpainting: Vec::new(),
            conditions: vec![ConditionRow {
                told: PictureKind::LabelMap,
                measure: LABEL_MAP,
                asked: 9,
                painted: 0.625,
                real: 0.9,
                chance: 0.1,
                wrong: 0.05,
            }],
            super_resolution: Vec::new(),
            combinations: Some(Combinations {
                held_out: CombinationRow {
                    together: share(1, 4),
                    ..CombinationRow::default()
                },
                familiar: CombinationRow::default(),
            }),
        };
        let table = report.table();
        assert!(table.contains("26.0 dB"), "{table}");
        assert!(
            table.contains("| text to image: time of day | 4 | 75 % | 100 % | 25 % |"),
            "{table}"
        );
        assert!(
            table.contains("| held out | 4 | – | – | 25 % | – |"),
            "{table}"
        );
        let row = "| numbers: three | 2 | 50 % | 100 % | 0 % |";
        assert!(table.contains(row), "{table}");
        assert!(
            table.contains("1.500, real 0.500, that is 3.0 times"),
            "{table}"
        );
        let row = "| label map alone: label map | 9 | 0.62 | 0.90 | 0.10 | 0.05 |";
        assert!(table.contains(row), "{table}");
        let json = serde_json::to_value(&report).expect("plain data");
        assert_eq!(json["text_to_image"][0]["question"], "time");
        assert_eq!(Share::default().part(), None);
    }
}
