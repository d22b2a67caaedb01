"""The browser app and its HTTP interface: photographs in, masks and maps out, nothing kept."""
