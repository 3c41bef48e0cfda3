"""Generated worlds with exact depth: scenes, textures, a ray tracer, a camera, a LiDAR, recordings."""
