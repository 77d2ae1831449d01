//! `cargo xtask capacity`: what a fleet of so many accounts needs, on paper and simulated. Nothing is run and nothing measured.

mod arguments;
mod costs;
mod demand;
mod figure;
mod limit;
mod page;
mod plan;
mod simulation;
mod text;

use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};

pub(crate) use self::arguments::Arguments;
use self::costs::Costs;
use self::demand::Demand;
use self::limit::{Bounds, Limit, exceeded};
use self::plan::Plan;
use self::simulation::{Outcome, Scenario, simulate};

/// A fleet that was planned, and if it was asked for, simulated.
struct Planned {
    demand: Demand,
    plan: Plan,
    /// What it is too large for, and how many times.
    beyond: Vec<(Limit, f64)>,
    outcome: Option<Outcome>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (costs, bounds) = (Costs::measured(), Bounds::chosen());
    if arguments.write {
        page::write()?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.costs {
        print!("{}", text::figures(&costs, &bounds));
        return Ok(ExitCode::SUCCESS);
    }
    let mut fleets: Vec<Planned> = arguments.demands()?.into_iter().map(planned).collect();
    if arguments.simulate {
        for fleet in &mut fleets {
            let scenario = Scenario::of(&fleet.demand, &fleet.plan, &costs, arguments.seed);
            fleet.outcome = Some(simulate(&scenario));
        }
    }
    if arguments.json {
        let all: Vec<Value> = fleets.iter().map(text::json).collect();
        println!("{}", json!({ "fleets": all, "figures": text::figures_json(&costs, &bounds) }));
    } else {
        print!("{}", text::tables(&fleets));
    }
    Ok(ExitCode::SUCCESS)
}

/// On paper.
fn planned(demand: Demand) -> Planned {
    let (costs, bounds) = (Costs::measured(), Bounds::chosen());
    let plan = Plan::of(&demand, &costs, &bounds);
    Planned { beyond: exceeded(&demand, &plan, &costs, &bounds), demand, plan, outcome: None }
}
