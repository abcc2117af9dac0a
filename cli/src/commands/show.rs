//! `show`: a saved plan, as `plan` would have shown it.

use super::saved_plan::{self, SavedPlan};
use crate::args::ShowArgs;
use crate::error::CommandError;
use crate::exit::ExitStatus;
use crate::summary::PlanSummary;
use crate::ui::plan::PlanView;
use crate::ui::{Ui, json, plan};

pub(super) fn run(ui: &Ui, args: &ShowArgs) -> Result<ExitStatus, CommandError> {
    let SavedPlan { plan, digest } = saved_plan::read(&args.plan_file)?;
    let text = if ui.json {
        json::plan(&plan, PlanSummary::of(&plan), ExitStatus::Done)
    } else {
        ui.note(&format!("sha256 {digest}\n"));
        plan::render(&plan, &PlanView::new(&args.view, ui.width))
    };
    Ok(ui.conclude(&text, ExitStatus::Done))
}
