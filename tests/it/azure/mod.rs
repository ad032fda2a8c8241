//! The product on Azure's services, as their emulators and doubles stand in for them.

mod storage;
