//! Tests of Docker Engine and cri-dockerd as a runtime.
