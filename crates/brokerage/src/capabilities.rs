/// What a brokerage offers, and what its answers cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Orders and trades are those of the current day alone; it is emptied overnight and cannot be asked for later.
    pub book_of_today_only: bool,
    /// [`trades`](crate::Brokerage::trades) can be read.
    pub trades: bool,
    /// [`positions`](crate::Brokerage::positions) can be read.
    pub positions: bool,
    /// [`holdings`](crate::Brokerage::holdings) can be read.
    pub holdings: bool,
    /// [`margins`](crate::Brokerage::margins) can be read.
    pub margins: bool,
    /// Positions and holdings tell last prices.
    pub last_prices: bool,
}

impl Capabilities {
    /// How many requests one whole look costs where no second try is needed: orders, and each of the others there is.
    pub fn requests(&self) -> u32 {
        1 + [self.trades, self.positions, self.holdings, self.margins].map(u32::from).iter().sum::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_costs_one_request_for_each_list_there_is() {
        let all = Capabilities {
            book_of_today_only: true,
            trades: true,
            positions: true,
            holdings: true,
            margins: true,
            last_prices: true,
        };
        assert_eq!(all.requests(), 5);
        assert_eq!(Capabilities { trades: false, last_prices: false, ..all }.requests(), 4);
        let orders_only =
            Capabilities { trades: false, positions: false, holdings: false, margins: false, ..all };
        assert_eq!(orders_only.requests(), 1);
    }
}
