"""What tests share: small trained runs, sample reports, servers, checks of pages."""
