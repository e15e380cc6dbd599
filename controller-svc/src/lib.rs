//! controller-svc
