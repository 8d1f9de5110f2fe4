"""Image: firmware over DLMS."""
