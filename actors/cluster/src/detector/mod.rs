//! How suspicious a silence is: phi accrual (Hayashibara et al., 2004).
