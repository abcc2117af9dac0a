//! Tests of swap.
