/// What some rounds measured, at least one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figures {
    sorted: Vec<f64>,
}

impl Figures {
    pub(crate) fn new(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        Self { sorted: figures }
    }

    pub(crate) fn min(&self) -> f64 {
        self.sorted.first().copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn max(&self) -> f64 {
        self.sorted.last().copied().unwrap_or(f64::NAN)
    }

    /// The middle one; of an even number, the mean of both.
    pub(crate) fn median(&self) -> f64 {
        let middle = self.sorted.len() / 2;
        match self.sorted.len() % 2 {
            0 if middle > 0 => f64::midpoint(self.sorted[middle - 1], self.sorted[middle]),
            _ => self.sorted.get(middle).copied().unwrap_or(f64::NAN),
        }
    }
}

/// Who measures next: each contender once a round, one round more than is counted, and in the opposite order in every
/// second round, so that nobody always finds the servers warmer. Returns what each measured, round by round.
pub(crate) fn in_turn<E>(
    rounds: usize,
    contenders: &mut [&mut dyn FnMut(usize) -> Result<f64, E>],
) -> Result<Vec<Vec<f64>>, E> {
    let mut measured = vec![Vec::new(); contenders.len()];
    for round in 0..=rounds {
        let mut order: Vec<usize> = (0..contenders.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for contender in order {
            let figure = contenders[contender](round)?;
            if round > 0 {
                measured[contender].push(figure);
            }
        }
    }
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let figures = Figures::new(vec![3.0, 1.0, 2.0]);
        assert_eq!((figures.min(), figures.median(), figures.max()), (1.0, 2.0, 3.0));
        assert_eq!(Figures::new(vec![1.0, 2.0, 4.0, 9.0]).median(), 3.0);
        assert!(Figures::new(Vec::new()).median().is_nan());
    }

    #[test]
    fn the_first_round_is_not_counted_and_contenders_take_turns() {
        let said = std::cell::RefCell::new(Vec::new());
        let say = |who: char, round: usize| {
            said.borrow_mut().push(format!("{who}{round}"));
            Ok::<_, ()>(round as f64)
        };
        let (mut one, mut other) = (|round| say('a', round), |round| say('b', round * 10));
        let measured = in_turn(2, &mut [&mut one, &mut other]);
        assert_eq!(measured, Ok(vec![vec![1.0, 2.0], vec![10.0, 20.0]]));
        assert_eq!(said.into_inner(), ["a0", "b0", "b10", "a1", "a2", "b20"]);
    }
}
