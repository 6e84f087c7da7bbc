//! Small symmetric linear systems: as much linear algebra as online learning needs.
//!
//! Cholesky's method in the order of the indices, so that the result is the same on every machine.

/// A symmetric positive definite matrix of order `n`, by rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Symmetric {
    order: usize,
    cells: Vec<f64>,
}

impl Symmetric {
    /// The matrix with this diagonal and nothing beside it.
    #[must_use]
    pub fn diagonal(values: &[f64]) -> Symmetric {
        let order = values.len();
        let mut matrix = Symmetric { order, cells: vec![0.0; order * order] };
        for (index, value) in values.iter().enumerate() {
            matrix.add(index, index, *value);
        }
        matrix
    }

    /// The matrix of these cells, by rows; `None` when their number is not the square of `order`.
    #[must_use]
    pub fn of_cells(order: usize, cells: Vec<f64>) -> Option<Symmetric> {
        (cells.len() == order * order).then_some(Symmetric { order, cells })
    }

    /// Its cells, by rows.
    #[must_use]
    pub fn cells(&self) -> &[f64] {
        &self.cells
    }

    fn get(&self, row: usize, column: usize) -> f64 {
        self.cells.get(row * self.order + column).copied().unwrap_or_default()
    }

    fn add(&mut self, row: usize, column: usize, value: f64) {
        if let Some(cell) = self.cells.get_mut(row * self.order + column) {
            *cell += value;
        }
    }

    /// Adds `weight x x'`.
    pub fn add_outer(&mut self, x: &[f64], weight: f64) {
        for (row, a) in self.cells.chunks_exact_mut(self.order.max(1)).zip(x) {
            let scaled = a * weight;
            if scaled != 0.0 {
                row.iter_mut().zip(x).for_each(|(cell, b)| *cell += scaled * b);
            }
        }
    }

    /// `keep x self + (1 - keep) x other`.
    pub fn blend(&mut self, keep: f64, other: &Symmetric) {
        for (cell, other) in self.cells.iter_mut().zip(&other.cells) {
            *cell = keep * *cell + (1.0 - keep) * other;
        }
    }

    /// `self x`.
    #[must_use]
    pub fn times(&self, x: &[f64]) -> Vec<f64> {
        self.cells.chunks_exact(self.order.max(1)).map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum()).collect()
    }

    /// The `x` with `self x = right`; `None` when the matrix is not positive definite.
    ///
    /// ```
    /// use churnwatch::engine::fleet::linear::Symmetric;
    /// let matrix = Symmetric::of_cells(2, vec![4.0, 2.0, 2.0, 3.0]).unwrap();
    /// let x = matrix.solve(&[8.0, 7.0]).unwrap();
    /// assert!((x[0] - 1.25).abs() < 1e-12 && (x[1] - 1.5).abs() < 1e-12);
    /// ```
    #[must_use]
    pub fn solve(&self, right: &[f64]) -> Option<Vec<f64>> {
        let (order, lower) = (self.order, self.lower()?);
        let mut half: Vec<f64> = Vec::with_capacity(order);
        for (row, right) in right.iter().enumerate() {
            let known: f64 = half.iter().enumerate().map(|(k, value)| lower.get(row, k) * value).sum();
            half.push((right - known) / lower.get(row, row));
        }
        let mut x = vec![0.0; order];
        for row in (0..order).rev() {
            let known: f64 = x.iter().enumerate().skip(row + 1).map(|(k, value)| lower.get(k, row) * value).sum();
            let value = (half.get(row)? - known) / lower.get(row, row);
            *x.get_mut(row)? = value;
        }
        Some(x)
    }

    /// Whether every cell is finite and `x' self x` is above 0 for every `x` but 0, as [`Symmetric::solve`] needs it.
    ///
    /// ```
    /// use churnwatch::engine::fleet::linear::Symmetric;
    /// assert!(Symmetric::diagonal(&[1.0, 2.0]).is_positive_definite());
    /// assert!(!Symmetric::diagonal(&[1.0, 0.0]).is_positive_definite());
    /// ```
    #[must_use]
    pub fn is_positive_definite(&self) -> bool {
        self.cells.iter().all(|cell| cell.is_finite()) && self.lower().is_some()
    }

    /// The lower triangle `L` with `L L' = self`; `None` when the matrix is not positive definite.
    fn lower(&self) -> Option<Symmetric> {
        let order = self.order;
        let mut lower = Symmetric { order, cells: vec![0.0; order * order] };
        for row in 0..order {
            for column in 0..=row {
                let known: f64 = (0..column).map(|k| lower.get(row, k) * lower.get(column, k)).sum();
                let rest = self.get(row, column) - known;
                if row != column {
                    lower.add(row, column, rest / lower.get(column, column));
                } else if rest > 0.0 && rest.is_finite() {
                    lower.add(row, row, rest.sqrt());
                } else {
                    return None;
                }
            }
        }
        Some(lower)
    }
}
