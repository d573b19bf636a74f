//! Builds that follow one another, as whoever watches a project makes them. `componentize-py` needs
//! ten seconds and more before it reads a module of the project, always for the same: so the next build
//! begins when the one before is over, and waits there for the modules as they are when it is asked for.

use std::path::PathBuf;

use super::python::WaitingTool;
use super::{Built, aside, build, hand_over, refused};
use crate::files::FileStamp;
use crate::kit::watch::{Looked, beside_modules};
use crate::kit::{Language, Project, Target, Unusable};
use crate::tasks::blocking;

/// The builds of a project, one after the other.
#[derive(Debug, Default)]
pub struct BuildSeries {
    /// What has begun and waits: at most one.
    next: Option<WaitingBuild>,
}

#[derive(Debug)]
struct WaitingBuild {
    tool: WaitingTool,
    read: AlreadyRead,
}

/// What a build that waits has read already.
#[derive(Debug, PartialEq)]
struct AlreadyRead {
    folder: PathBuf,
    program: Option<FileStamp>,
    files: Looked,
}

impl AlreadyRead {
    fn of(target: &Target, project: &Project) -> Self {
        let program = project.folder.join(super::python::PROGRAM);
        Self {
            folder: project.folder.clone(),
            program: program.metadata().ok().map(|found| FileStamp::of(&found)),
            files: beside_modules(target),
        }
    }
}

impl BuildSeries {
    /// As `build`, by what waits where there is such a build and it has read nothing that has changed.
    ///
    /// # Errors
    /// As `build`.
    pub async fn build(&mut self, target: &Target, project: &Project) -> Result<Built, Unusable> {
        let Some(mut waiting) = self.next.take() else {
            return build(project).await;
        };
        let is_good = waiting.tool.waits() && waiting.read == AlreadyRead::of(target, project);
        if !is_good || project.language != Language::Python {
            drop(waiting);
            return build(project).await;
        }
        let artifact = waiting.tool.finish().await?;
        let (project, file) = (project.clone(), artifact.file.clone());
        let built = blocking(move || hand_over(&project, &file, artifact.said)).await;
        drop(waiting);
        built
    }

    /// Begins the next build where that saves time. What keeps it from beginning is told when it is
    /// asked for.
    pub fn begin_next(&mut self, target: &Target) {
        let python = |project: &&Project| project.language == Language::Python;
        let Some(project) = target.project.as_ref().filter(python) else {
            self.next = None;
            return;
        };
        let read = AlreadyRead::of(target, project);
        if let Some(waiting) = &mut self.next
            && waiting.tool.waits()
            && waiting.read == read
        {
            return;
        }
        let folder = project.folder.canonicalize();
        let folder = folder.map_err(|cause| refused(&project.folder, &cause));
        let tool = folder.and_then(|folder| WaitingTool::begin(&folder, aside()?));
        self.next = tool.ok().map(|tool| WaitingBuild { tool, read });
    }
}
