mod by_hand;
mod corporate_actions;
mod desk;
mod oracles;
mod properties;
mod reconciling;
mod rules;
