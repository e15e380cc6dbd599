//! catalog-svc
