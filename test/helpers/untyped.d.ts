// Packages the tests use that bring no types of their own.
declare module "compression";
declare module "cookie-parser";
declare module "express-session";
declare module "express4";
declare module "multer";
declare module "on-finished";
declare module "express-ws";
